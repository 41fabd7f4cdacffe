"""What the command search is made of: its report, and how hits are shown in a terminal and on a page."""
