"""Models that stay: one host process per device and executor holds them, and every task of the executor asks it."""
