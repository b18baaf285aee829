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
      response.appendField(ModelStore.ListField.etags, Etag(of: record, hash: etagHash).text)
    }
  }
}

/// Tells one state of a record from another: a hash of its stored bytes under the database's identity.
///
/// Equal bytes have equal etags, so a record that was changed and changed back has the etag that it had before.
struct Etag {
  /// 16 hexadecimal digits.
  let text: [UInt8]

  @safe
  init(of record: UnsafeRawBufferPointer, hash: SipHash) {
    let value = hash.hash(record)
    text = stride(from: 60, through: 0, by: -4).map { shift in
      let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift) & 15)
      return digit < 10 ? digit + 0x30 : digit + 0x57
    }
  }
}
