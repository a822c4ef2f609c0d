"""Where rows live: one SQLite file (contract 3, ``[database]``)."""
