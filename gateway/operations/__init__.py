"""What an operator can do, as plain async functions that the admin API and the command line both call (contract 4 and 5).

Every write leaves one line in the log ``gateway.audit``: who (``actor``), which verb, on what; never a secret.
"""

from __future__ import annotations

from gateway.operations.checks import verify_vault
from gateway.operations.exchanges import ExchangeVerbs
from gateway.operations.instances import InstanceVerbs
from gateway.operations.keys import KeyVerbs
from gateway.operations.pauses import PauseVerbs
from gateway.operations.transfer import Format, Progress, TransferVerbs
from gateway.operations.vault import VaultVerbs

__all__ = ["Format", "Operations", "Progress", "verify_vault"]


class Operations(KeyVerbs, InstanceVerbs, TransferVerbs, PauseVerbs, VaultVerbs, ExchangeVerbs):
    """All verbs, on one database, with one vault and one configuration."""
