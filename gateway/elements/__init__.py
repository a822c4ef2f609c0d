"""What we know of each element before anybody configures it."""
