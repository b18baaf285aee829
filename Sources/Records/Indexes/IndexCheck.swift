import Bytes
package import Engine
import Schema

// SAFETY: what the engine lends to a visit is used before it returns; a list is not changed while its parts are read.

/// Whether the records of a model and the entries of its indexes agree, both ways.
///
/// Two sums of hashes, of the entries that the records imply and of those that are there, are compared; only when they
/// differ is each entry looked for. Everything is of one moment.
package struct IndexCheck {
  /// What was found in one index.
  package struct Result: Sendable {
    /// Of the index.
    package let name: String
    /// Entries that are there.
    package var entryCount: UInt64 = 0
    /// One sentence for each entry that is missing or too many, the first ones.
    package var problems: [String] = []
    /// All of them.
    package var problemCount = 0

    mutating func add(_ problem: String) {
      problemCount += 1
      if problemCount <= IndexCheck.maximumProblems { problems.append(problem) }
    }
  }

  /// Sentences of one index.
  package static let maximumProblems = 20

  private let engine: any StorageEngine
  private let store: ModelStore
  private let indexes: ModelIndexes
  private let snapshot: any EngineSnapshot
  private let hash: SipHash

  /// - Returns: what was found in each index that is built; nothing for a model without indexes.
  package static func run(
    _ store: ModelStore, _ engine: any StorageEngine
  ) throws(EngineError) -> [Result] {
    guard let indexes = store.indexes else { return [] }
    let check = IndexCheck(
      engine: engine, store: store, indexes: indexes, snapshot: try engine.snapshot(),
      hash: store.hash)
    return try check.run()
  }

  private func run() throws(EngineError) -> [Result] {
    let (implied, unreadable) = try impliedSums()
    var results: [Result] = []
    for (place, index) in indexes.all.enumerated() where !index.isFailed {
      var result = Result(name: index.plan.index.name)
      for (owner, text) in unreadable where owner == place { result.add(text) }
      let (sum, count) = try sum(ofEntries: index)
      result.entryCount = count
      if sum != implied[place] { try compare(place, &result) }
      results.append(result)
    }
    return results
  }

  /// A sum of hashes: the same for the same entries in any order.
  private struct Sum: Equatable {
    var first: UInt64 = 0
    var second: UInt64 = 0

    @safe
    mutating func add(
      _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ hash: SipHash
    ) {
      let (key, value) = (hash.hash(key), hash.hash(value))
      first &+= (key ^ value &* 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: key | 1).high
      second &+= key &* 0xD6E8_FEB8_6659_FD93 &+ (value << 17 | value >> 47)
    }
  }

  private func impliedSums() throws(EngineError) -> ([Sum], [(place: Int, text: String)]) {
    var sums = [Sum](repeating: Sum(), count: indexes.all.count)
    var unreadable: [(place: Int, text: String)] = []
    var list = EntryList()
    var slots = RecordSlots()
    try unsafe visitRecords { key, record in
      list.removeAll()
      do throws(IndexEntryError) {
        try indexes.append(record, key: key, &slots, to: &list)
      } catch {
        unreadable.append(
          (error.index, unsafe "the record with \(store.text(ofKey: Array(key))) can have no entry")
        )
        return
      }
      for entry in list.entries where indexes.all[entry.index].keepsEntries(ofKey: key) {
        sums[entry.index].add(list.key(entry), list.value(entry), hash)
      }
    }
    return (sums, unreadable)
  }

  private func sum(ofEntries index: OpenIndex) throws(EngineError) -> (Sum, UInt64) {
    var (sum, count) = (Sum(), UInt64(0))
    _ = try engine.scan(
      index.plan.prefix.all, direction: .ascending, limit: .max, snapshot: snapshot,
      tier: .any
    ) { key, value in
      sum.add(key, value, hash)
      count += 1
      return .next
    }
    return (sum, count)
  }

  private func visitRecords(
    _ visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
  ) throws(EngineError) {
    _ = try engine.scan(
      store.prefix.all, direction: .ascending, limit: .max, snapshot: snapshot,
      tier: .any
    ) { key, record in
      unsafe visit(UnsafeRawBufferPointer(rebasing: key[KeyPrefix.byteCount...]), record)
      return .next
    }
  }

  // MARK: - Entry by entry

  private func compare(_ place: Int, _ result: inout Result) throws(EngineError) {
    let index = indexes.all[place]
    var list = EntryList()
    var slots = RecordSlots()
    var failure: EngineError?
    var found = result
    // Entries that records imply.
    try unsafe visitRecords { key, record in
      guard failure == nil, index.keepsEntries(ofKey: key) else { return }
      list.removeAll()
      let isReadable: ()? = try? indexes.append(
        record, key: key, &slots, inIndex: place, to: &list)
      guard isReadable != nil else { return }
      for entry in list.entries {
        var isThere = false
        do throws(EngineError) {
          _ = try engine.get(list.key(entry), snapshot: snapshot, tier: .any) { value in
            isThere = unsafe value.elementsEqual(list.value(entry))
          }
        } catch {
          failure = error
        }
        if !isThere {
          found.add(
            unsafe "the record with \(store.text(ofKey: Array(key))) has no entry, or not as it is")
        }
      }
    }
    if let failure { throw failure }
    try visitStrayEntries(place, index) { found.add($0) }
    result = found
  }

  /// Entries that no record implies.
  private func visitStrayEntries(
    _ place: Int, _ index: OpenIndex, _ visit: (String) -> Void
  ) throws(EngineError) {
    var list = EntryList()
    var slots = RecordSlots()
    var failure: EngineError?
    _ = try engine.scan(
      index.plan.prefix.all, direction: .ascending, limit: .max, snapshot: snapshot,
      tier: .any
    ) { key, value in
      guard let recordKey = recordKey(key, value, index.plan) else {
        visit("an entry names no record")
        return .next
      }
      var isImplied = false
      do throws(EngineError) {
        list.removeAll()
        if let record = try engine.value(
          forKey: store.prefix.key(recordKey), snapshot: snapshot)
        {
          unsafe record.withUnsafeBytes { record in
            unsafe recordKey.withUnsafeBytes { recordKey in
              _ = try? indexes.append(
                record, key: recordKey, &slots, inIndex: place, to: &list)
            }
          }
        }
        for entry in list.entries {
          if unsafe list.key(entry).elementsEqual(key) { isImplied = true }
        }
      } catch {
        failure = error
        return .stop
      }
      if !isImplied {
        visit("an entry of the record with \(store.text(ofKey: recordKey)) should not be there")
      }
      return .next
    }
    if let failure { throw failure }
  }

  @safe
  private func recordKey(
    _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ plan: IndexPlan
  ) -> [UInt8]? {
    switch plan.keyPlace(key, value) {
    case .inKey(let range): unsafe Array(key[range])
    case .inValue(let range): unsafe Array(value[range])
    case nil: nil
    }
  }
}
