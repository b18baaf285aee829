// SAFETY: a text is lent until the return, and copied.

/// The name that a client gave a call, so that sending it again does nothing again (AIP-155).
package struct RequestID: Hashable, Sendable {
  /// A UUID in its text form has so many.
  package static let maximumBytes = 36

  let bytes: [UInt8]

  /// Takes 1 to ``maximumBytes`` printable ASCII characters; nil for anything else.
  @safe
  init?(_ text: UnsafeRawBufferPointer) {
    guard (1...Self.maximumBytes).contains(text.count) else { return nil }
    bytes = unsafe Array(text)
    guard bytes.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
  }

  /// As it was given.
  package var text: String { String(decoding: bytes, as: UTF8.self) }
}
