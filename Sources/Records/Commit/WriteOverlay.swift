import Bytes

// SAFETY: keys are lent until the return; those that are kept are copies in a writer that is not changed while it is
// read.

/// What the calls of a group have changed so far, which the engine does not have yet: the last change of each key.
///
/// Thread-safety: none; the commit thread's.
struct WriteOverlay: ~Copyable {
  /// What a key has become.
  enum Change {
    /// Its value is in the batch, at these bytes of its image.
    case put(Range<Int>)
    case deleted
  }

  private struct Entry {
    let hash: Int
    let keyStart: Int
    let keyEnd: Int
    let change: Change
    /// The change before this one in the chain of the hash; -1 for none.
    let previous: Int
  }

  /// The last change of each hash.
  private var heads: [Int: Int] = [:]
  private var entries: [Entry] = []
  private var keys = ByteWriter()

  /// A place to which it can be taken back.
  var mark: Int { entries.count }

  mutating func removeAll() {
    heads.removeAll(keepingCapacity: true)
    entries.removeAll(keepingCapacity: true)
    keys.removeAll(keepingAtMost: 1 << 20)
  }

  @safe
  private static func hash(_ key: UnsafeRawBufferPointer) -> Int {
    var hasher = Hasher()
    unsafe hasher.combine(bytes: key)
    return hasher.finalize()
  }

  /// - Returns: nil when the group has not changed the key.
  @safe
  func change(of key: UnsafeRawBufferPointer) -> Change? {
    guard !entries.isEmpty else { return nil }
    var place = heads[Self.hash(key)] ?? -1
    while place >= 0 {
      let entry = entries[place]
      let bytes = unsafe UnsafeRawBufferPointer(
        rebasing: keys.bytes[entry.keyStart..<entry.keyEnd])
      if unsafe bytes.elementsEqual(key) { return entry.change }
      place = entry.previous
    }
    return nil
  }

  @safe
  mutating func note(_ key: UnsafeRawBufferPointer, _ change: Change) {
    let hash = Self.hash(key)
    let start = keys.count
    keys.append(key)
    entries.append(
      Entry(
        hash: hash, keyStart: start, keyEnd: keys.count, change: change,
        previous: heads[hash] ?? -1))
    heads[hash] = entries.count - 1
  }

  /// Forgets the changes after `mark`.
  mutating func rollback(to mark: Int) {
    while entries.count > mark, let last = entries.popLast() {
      heads[last.hash] = last.previous < 0 ? nil : last.previous
      keys.truncate(to: last.keyStart)
    }
  }
}
