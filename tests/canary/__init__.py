"""Planted secrets are looked for in everything that the gateway says and keeps (threats 6, 17 to 20)."""
