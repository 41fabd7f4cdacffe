"""The demo: claims with rendered photos, and the small dual encoder trained on such photos."""
