"""The errors that MedROI raises."""


class MedROIError(Exception):
    """Anything that MedROI refuses or cannot do."""


class InvalidArgument(MedROIError, ValueError):
    """An argument or an array that cannot be served; the message says what can."""


class InvalidType(InvalidArgument, TypeError):
    """An array whose element type cannot be served."""


class Untrusted(InvalidArgument):
    """A stream for a library that nobody said may decode it; the message says how to say so."""


class AlreadyPacked(InvalidArgument):
    """A scan that is packed already, where one that is to be packed was expected."""


class NoRoom(InvalidArgument):
    """A scan of more or fewer axes than the store that its name asks for can have."""


class CorruptStream(MedROIError, ValueError):
    """Bytes that are not a whole, unchanged MedROI stream."""


class UnsupportedVersion(MedROIError):
    """A stream of a format that this build does not read."""


class VerificationFailed(MedROIError):
    """An encoded array that did not come back as its inner codec promises; nothing is written."""


class InnerUnavailable(MedROIError, ImportError):
    """An inner codec, or a library behind a feature, that is not installed."""


class UnknownInner(InnerUnavailable, UnsupportedVersion):
    """A stream of an inner codec that no installed package has, this build's own included."""
