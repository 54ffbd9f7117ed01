"""Reports for people: each is one self-contained HTML file."""
