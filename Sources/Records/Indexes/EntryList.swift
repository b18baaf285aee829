import Bytes

// SAFETY: a writer is not changed while its bytes are read.

/// Index entries of one record after the other: stored keys and values, of each record ascending by index and key.
struct EntryList: ~Copyable {
  struct Entry {
    /// Among the indexes of the model.
    let index: Int
    let keyStart: Int
    let keyEnd: Int
    /// The value follows the key.
    let valueEnd: Int
  }

  var bytes = ByteWriter()
  var entries: [Entry] = []

  private var recordStart = 0

  /// Bytes of the entries of the record that was begun last.
  var recordBytes: Int { bytes.count - recordStart }

  /// The entries of another record follow.
  mutating func beginRecord() { recordStart = bytes.count }

  mutating func removeAll() {
    bytes.removeAll(keepingAtMost: 64 << 10)
    entries.removeAll(keepingCapacity: true)
  }

  /// An end to which the list can be cut.
  struct Mark {
    fileprivate(set) var entries = 0
    fileprivate(set) var bytes = 0
  }

  var mark: Mark { Mark(entries: entries.count, bytes: bytes.count) }

  /// Leaves out the entries after a mark.
  mutating func truncate(to mark: Mark) {
    bytes.truncate(to: mark.bytes)
    entries.removeLast(entries.count - mark.entries)
  }

  @safe
  func key(_ entry: Entry) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: bytes.bytes[entry.keyStart..<entry.keyEnd])
  }

  @safe
  func value(_ entry: Entry) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: bytes.bytes[entry.keyEnd..<entry.valueEnd])
  }

  /// Sorts the entries from `first` on, which are of one index, and leaves each key once.
  mutating func sort(from first: Int) {
    guard entries.count - first > 1 else { return }
    let all = unsafe bytes.bytes
    func key(_ entry: Entry) -> UnsafeRawBufferPointer {
      unsafe UnsafeRawBufferPointer(rebasing: all[entry.keyStart..<entry.keyEnd])
    }
    entries[first...].sort { unsafe key($0).lexicographicallyPrecedes(key($1)) }
    var kept = first + 1
    for index in first + 1..<entries.count
    where unsafe !key(entries[index]).elementsEqual(key(entries[kept - 1])) {
      entries[kept] = entries[index]
      kept += 1
    }
    entries.removeLast(entries.count - kept)
  }
}
