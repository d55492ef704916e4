"""The rules about fraud that this installation judges by: the code's rules with the file's thresholds."""

from billing import fraud_file
from billing.fraud import Rules
from billing.fraud_rules import KINDS
from config import fraud
from config.settings import SettingsError


def load(path: str | None) -> Rules:
    """The rules of a file, or those that come with the hub. Raises SettingsError naming every bad key."""
    try:
        return fraud_file.rules(fraud.read(path), KINDS)
    except fraud_file.BadRules as error:
        raise SettingsError({f"{fraud.KEY} {key}": why for key, why in error.problems.items()}) from None
