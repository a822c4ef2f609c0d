"""The contest: other proxies beside ours, each set up for the same job, on the same work, in the same run.

``python -m bench peers --help``. A rival is a file in ``bench/peers_conf/`` with ``{{name}}`` where the run fills in ports, folders and
secrets, and one entry in ``rivals.py``. ``installing.py`` fetches what a rival needs, ``checks.py`` proves before anything is measured
that it does the job, ``rounds.py`` measures, ``verdicts.py`` holds the bars.
"""
