from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Header(_message.Message):
    __slots__ = ("version", "frame", "crc")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    CRC_FIELD_NUMBER: _ClassVar[int]
    version: int
    frame: str
    crc: int
    def __init__(self, version: _Optional[int] = ..., frame: _Optional[str] = ..., crc: _Optional[int] = ...) -> None: ...

class Fact(_message.Message):
    __slots__ = ("session", "columns", "words", "report", "renumbered", "closed", "crc")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    RENUMBERED_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    CRC_FIELD_NUMBER: _ClassVar[int]
    session: Session
    columns: Columns
    words: Words
    report: Report
    renumbered: Renumbered
    closed: Closed
    crc: int
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ..., columns: _Optional[_Union[Columns, _Mapping]] = ..., words: _Optional[_Union[Words, _Mapping]] = ..., report: _Optional[_Union[Report, _Mapping]] = ..., renumbered: _Optional[_Union[Renumbered, _Mapping]] = ..., closed: _Optional[_Union[Closed, _Mapping]] = ..., crc: _Optional[int] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("start_step", "seen", "purged_from", "again_from")
    class SeenEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    START_STEP_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    PURGED_FROM_FIELD_NUMBER: _ClassVar[int]
    AGAIN_FROM_FIELD_NUMBER: _ClassVar[int]
    start_step: int
    seen: _containers.ScalarMap[str, float]
    purged_from: int
    again_from: int
    def __init__(self, start_step: _Optional[int] = ..., seen: _Optional[_Mapping[str, float]] = ..., purged_from: _Optional[int] = ..., again_from: _Optional[int] = ...) -> None: ...

class Renumbered(_message.Message):
    __slots__ = ("step", "named", "walltime")
    STEP_FIELD_NUMBER: _ClassVar[int]
    NAMED_FIELD_NUMBER: _ClassVar[int]
    WALLTIME_FIELD_NUMBER: _ClassVar[int]
    step: int
    named: int
    walltime: float
    def __init__(self, step: _Optional[int] = ..., named: _Optional[int] = ..., walltime: _Optional[float] = ...) -> None: ...

class Columns(_message.Message):
    __slots__ = ("frame", "first_shard", "names", "quantities")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    FIRST_SHARD_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    frame: str
    first_shard: int
    names: _containers.RepeatedScalarFieldContainer[str]
    quantities: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, frame: _Optional[str] = ..., first_shard: _Optional[int] = ..., names: _Optional[_Iterable[str]] = ..., quantities: _Optional[_Iterable[str]] = ...) -> None: ...

class Words(_message.Message):
    __slots__ = ("values",)
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.ScalarMap[str, str]
    def __init__(self, values: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("code", "subject", "severity", "cleared", "step", "walltime")
    CODE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    CLEARED_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    WALLTIME_FIELD_NUMBER: _ClassVar[int]
    code: str
    subject: str
    severity: str
    cleared: bool
    step: int
    walltime: float
    def __init__(self, code: _Optional[str] = ..., subject: _Optional[str] = ..., severity: _Optional[str] = ..., cleared: bool = ..., step: _Optional[int] = ..., walltime: _Optional[float] = ...) -> None: ...

class Closed(_message.Message):
    __slots__ = ("walltime",)
    WALLTIME_FIELD_NUMBER: _ClassVar[int]
    walltime: float
    def __init__(self, walltime: _Optional[float] = ...) -> None: ...
