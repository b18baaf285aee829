import Bytes

// SAFETY: the bytes are lent until the return. A number is loaded where the count has room for it.

/// What a call with a request id was answered, as it is stored (key kind 4):
///
///     byte   0          1 … 4                     5           6 …
///           +----------+-------------------------+-----------+---------+
///           | 01       | model, u32 little-endian | returning | message |
///           +----------+-------------------------+-----------+---------+
///
/// The model is 0 for a transaction. Model and returning tell a call that was sent again from another one that was
/// given the same id by mistake, whose client could not read the message.
struct KeptAnswer {
  /// The first byte.
  static let version: UInt8 = 1
  private static let headBytes = 6

  /// Whose call it was; 0 for a transaction.
  let model: UInt32
  /// What it asked for.
  let returning: UInt8

  /// Of a call that is executed.
  init(of call: CommandList.Call, returning: UInt8) {
    model = call.isTransaction ? 0 : call.store.prefix.model
    self.returning = returning
  }

  /// Reads what ``append(_:to:)`` wrote.
  ///
  /// - Returns: nil when it is of a version that this program does not know, or none at all.
  @safe
  static func read(
    _ value: UnsafeRawBufferPointer
  ) -> (head: KeptAnswer, message: UnsafeRawBufferPointer)? {
    guard value.count >= headBytes, unsafe value[0] == version else { return nil }
    let model = unsafe value.loadUnaligned(fromByteOffset: 1, as: UInt32.self)
    let head = KeptAnswer(model: UInt32(littleEndian: model), returning: unsafe value[5])
    return unsafe (head, UnsafeRawBufferPointer(rebasing: value[headBytes...]))
  }

  private init(model: UInt32, returning: UInt8) {
    self.model = model
    self.returning = returning
  }

  /// Whether they are answers to the same kind of call.
  func isAlike(_ other: KeptAnswer) -> Bool {
    model == other.model && returning == other.returning
  }

  /// Appends the stored form.
  @safe
  func append(_ message: UnsafeRawBufferPointer, to writer: inout ByteWriter) {
    writer.append(Self.version)
    writer.appendLittleEndian(model)
    writer.append(returning)
    writer.append(message)
  }
}
