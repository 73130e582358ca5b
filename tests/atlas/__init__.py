"""Places, shops and what they sell: rows some joins away from one another, and their products."""
