import LSM
import Testing

extension Memtable {
  /// The newest state of a key at a sequence number.
  func get(_ userKey: UnsafeRawBufferPointer, at sequence: SequenceNumber) -> Lookup {
    get(userKey, hash: BloomFilter.hash(userKey), at: sequence)
  }

  /// Inserts entries together, as a write of several records does.
  func insert(_ batch: ArraySlice<Entry>) {
    let bytes = batch.flatMap { $0.key + $0.value }
    bytes.withUnsafeBytes { bytes in
      var group = SkipList.Group()
      var start = 0
      for entry in batch {
        let middle = start + entry.key.count
        let end = middle + entry.value.count
        insert(
          UnsafeRawBufferPointer(rebasing: bytes[start..<middle]),
          value: UnsafeRawBufferPointer(rebasing: bytes[middle..<end]),
          sequence: SequenceNumber(rawValue: entry.sequence), kind: entry.kind, with: &group)
        start = end
      }
      entries.insert(&group)
    }
  }

  /// That these are the entries, both ways.
  func expect(_ sorted: [Entry]) {
    #expect(entries.count == sorted.count)
    var cursor = entries.makeCursor()
    cursor.seekToFirst()
    for expected in sorted {
      #expect(cursor.entry == expected)
      cursor.next()
    }
    #expect(!cursor.isValid)
    cursor.seekToLast()
    for expected in sorted.reversed() {
      #expect(cursor.entry == expected)
      cursor.previous()
    }
    #expect(!cursor.isValid)
  }
}

extension SkipList.Cursor {
  /// nil when it is on none.
  var entry: Entry? { isValid ? Entry(key, value: value) : nil }
}
