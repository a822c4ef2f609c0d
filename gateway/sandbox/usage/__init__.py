"""Cloud Elements' own log of calls (API page 3.6): what really arrived, as its customer can ask for it."""
