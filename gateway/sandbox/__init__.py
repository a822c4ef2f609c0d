"""A Cloud Elements to develop against: the same authorization, answers and habits, with all state in memory.

``Sandbox`` is the state, ``server.running`` puts it on a socket. What the API page leaves open was chosen by us, and the
docstring beside it says so.
"""

from gateway.sandbox.state import Sandbox

__all__ = ["Sandbox"]
