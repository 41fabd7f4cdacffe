"""The errors that a user meets: one type per kind of failure, each message one line that says how to mend it."""


def first_line(error: BaseException) -> str:
    """What an error says, in one line: the first of its message that is not blank, else the name of its type."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)


class ClaimlensError(Exception):
    """A failure that the user can mend; printed as one line, without a traceback. Exit status 1."""

    exit_code = 1


class SettingsError(ClaimlensError):
    """A setting is unknown, of the wrong type, or does not fit another one. Exit status 2."""

    exit_code = 2


class InputError(ClaimlensError):
    """What the job was pointed at is not there, empty, or not what it should be."""


class ModelError(ClaimlensError):
    """A model directory or hub model cannot be used: no weights, pickle weights only, wrong family."""


class TaxonomyError(ClaimlensError):
    """A taxonomy file is malformed or does not fit the model."""


class TableContractError(ClaimlensError):
    """A table has another contract or schema than this version of claimlens writes; it was left untouched."""


class IndexMismatchError(ClaimlensError):
    """A vector index belongs to another model_key, or does not hold what its state says."""


class IndexDamagedError(ClaimlensError):
    """Files of a vector index are missing, cut short, or not what was written; sync-index builds it anew."""


class FailureRateError(ClaimlensError):
    """More rows failed than limits.failure_rate allows."""


class EnvironmentMissingError(ClaimlensError):
    """Java, the Delta jars, or another part of the machine is missing."""
