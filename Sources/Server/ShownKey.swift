import Records
import Schema

// SAFETY: a key is lent until the return, and copied.

/// A key in the words of a status.
struct ShownKey {
  /// The most of a key that a status has: clients take some kilobytes of headers in all.
  private static let shownBytes = 256

  /// After "the": `pk "a"`, or `key (tenant "a", id 5)`.
  let phrase: String
  /// The key, unless it is too long: whoever takes it from here wants all of it.
  let metadata: [(String, String)]

  /// - Parameter key: as it is stored, without its prefix.
  @safe
  init(_ key: UnsafeRawBufferPointer, _ store: ModelStore) {
    if let plan = store.keyPlan {
      let text = unsafe plan.text(ofKey: key)
      let isShort = text.utf8.count <= Self.shownBytes
      phrase = "key (\(isShort ? text : text.prefix(Self.shownBytes / 4) + "…"))"
      metadata = isShort ? [("key", text)] : []
    } else {
      let name = store.model.key.text
      metadata =
        key.count > Self.shownBytes ? [] : [("key", unsafe String(decoding: key, as: UTF8.self))]
      phrase = unsafe "\(name) \(Self.quoted(key))"
    }
  }

  /// - Parameter key: UTF-8.
  private static func quoted(_ key: UnsafeRawBufferPointer) -> String {
    if key.count <= shownBytes { return unsafe "\"\(String(decoding: key, as: UTF8.self))\"" }
    let text = unsafe String(decoding: key.prefix(shownBytes), as: UTF8.self)
    // The last character may be cut.
    return "\"\(text.dropLast())…\", of \(key.count) bytes"
  }
}
