"""The documents hub (API page 4.6): files and folders by path or by id, in memory."""
