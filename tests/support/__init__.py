"""The shared harness of the suites that talk over real sockets.

``raw``: a client that sends exact bytes and reads ``answers`` strictly. ``origin``: an upstream that records exact bytes and
misbehaves as told (``wire``: one of its connections; ``misbehaviour``: tables of what upstreams do). ``processes``: the real gateway
as a subprocess, set up through its own command line. ``cases``: exchanges as tables. ``lane``: what must hold for each of them.
"""
