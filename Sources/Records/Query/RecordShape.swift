import Bytes
import Schema

/// What an answer has of each record, when it is not the stored bytes alone.
struct RecordShape: Sendable {
  /// nil: the whole record.
  let mask: MaskTree?
  /// nil: no etags.
  let etagHash: SipHash?

  /// Appends a record, and its etag.
  @safe
  func append(
    _ record: UnsafeRawBufferPointer, to response: inout ByteWriter
  ) throws(RecordError) {
    if let mask {
      response.appendTag(ModelStore.ListField.records, wireType: 2)
      let start = response.count
      try mask.project(record, into: &response)
      response.insertVarint(UInt64(response.count - start), at: start)
    } else {
      response.appendField(ModelStore.ListField.records, record)
    }
    if let etagHash {
      Etag(of: record, hash: etagHash).append(ModelStore.ListField.etags, to: &response)
    }
  }
}
