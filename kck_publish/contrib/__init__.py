"""What joins the library to other packages: each optional, and each a leaf."""
