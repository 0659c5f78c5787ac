"""Records as bytes: what writer and reader share.

In reading order:

- `schema`: records on the wire: tag names, headers and payloads of the event file's values
- `encoded`: records as the very bytes that protobuf makes of them: what stays from record to record is made once
- `framing`: TFRecords: lengths and checksums around the bytes of an event
- `leftover`: what a tail file says (see `recording/tail.py`): the newest records of a writer
- `slots`: a small file whose content is replaced in place, such that a kill in the middle of a write leaves the content before
- `lossdiag_pb2`: generated protocol buffer code
"""
