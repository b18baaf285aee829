import LSM
import TestSupport

/// One change, owning its bytes.
enum Change: Equatable {
  case put([UInt8], [UInt8])
  case delete([UInt8])
  case deleteRange([UInt8], [UInt8])

  private func append(to bytes: inout [UInt8]) {
    func slice(_ part: [UInt8]) {
      var rest = part.count
      while rest >= 0x80 {
        bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
      }
      bytes.append(UInt8(rest))
      bytes += part
    }
    switch self {
    case .put(let key, let value):
      bytes.append(0x01)
      slice(key)
      slice(value)
    case .delete(let key):
      bytes.append(0x00)
      slice(key)
    case .deleteRange(let lower, let upper):
      bytes.append(0x0f)
      slice(lower)
      slice(upper)
    }
  }

  /// The batch of some changes, as ``BatchReader`` reads it.
  static func batch(_ changes: [Change]) -> [UInt8] {
    var bytes = withUnsafeBytes(of: UInt32(changes.count).littleEndian) { Array($0) }
    for change in changes { change.append(to: &bytes) }
    return bytes
  }
}

/// What a store must hold: a dictionary, in the plainest way.
struct TreeModel: Equatable {
  private(set) var records: [[UInt8]: [UInt8]] = [:]

  mutating func apply(_ changes: [Change]) {
    for change in changes {
      switch change {
      case .put(let key, let value): records[key] = value
      case .delete(let key): records[key] = nil
      case .deleteRange(let lower, let upper):
        for key in records.keys
        where !key.lexicographicallyPrecedes(lower) && key.lexicographicallyPrecedes(upper) {
          records[key] = nil
        }
      }
    }
  }

  /// In key order, from `lower` up to `upper`.
  func sorted(from lower: [UInt8] = [], upTo upper: [UInt8]? = nil) -> [TreeRecord] {
    records
      .filter { key, _ in
        !key.lexicographicallyPrecedes(lower)
          && (upper.map { key.lexicographicallyPrecedes($0) } ?? true)
      }
      .sorted { $0.key.lexicographicallyPrecedes($1.key) }
      .map { TreeRecord(key: $0.key, value: $0.value) }
  }
}

struct TreeRecord: Equatable, CustomStringConvertible {
  let key: [UInt8]
  let value: [UInt8]

  var description: String { "\(key)=\(value.prefix(3))(\(value.count))" }
}

extension LSMTree {
  func apply(_ changes: [Change], sync: Bool = false) throws(LSMError) {
    let batch = Change.batch(changes)
    var failure: LSMError?
    batch.withUnsafeBytes { bytes in
      do throws(LSMError) { try apply(bytes, sync: sync) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  func value(
    _ key: [UInt8], snapshot: TreeSnapshot? = nil, tier: Table.ReadTier = .any
  ) throws(LSMError) -> (outcome: Outcome, value: [UInt8]?) {
    var value: [UInt8]?
    var result = Result<Outcome, LSMError>.success(.absent)
    key.withUnsafeBytes { bytes in
      do throws(LSMError) {
        result = .success(
          try get(bytes, snapshot: snapshot, tier: tier) { value = Array($0) })
      } catch {
        result = .failure(error)
      }
    }
    return (try result.get(), value)
  }

  func records(
    from lower: [UInt8] = [], upTo upper: [UInt8]? = nil, descending: Bool = false,
    limit: Int = .max, snapshot: TreeSnapshot? = nil, tier: Table.ReadTier = .any
  ) throws(LSMError) -> (outcome: ScanOutcome, records: [TreeRecord]) {
    var records: [TreeRecord] = []
    var result = Result<ScanOutcome, LSMError>.success(.complete)
    lower.withUnsafeBytes { lower in
      (upper ?? []).withUnsafeBytes { bound in
        do throws(LSMError) {
          result = .success(
            try scan(
              from: lower, upTo: upper == nil ? nil : bound, descending: descending, limit: limit,
              snapshot: snapshot, tier: tier
            ) { key, value in
              records.append(TreeRecord(key: Array(key), value: Array(value)))
              return true
            })
        } catch {
          result = .failure(error)
        }
      }
    }
    return (try result.get(), records)
  }

  func compact(_ lower: [UInt8] = [], _ upper: [UInt8]? = nil) throws(LSMError) {
    var failure: LSMError?
    lower.withUnsafeBytes { lower in
      (upper ?? []).withUnsafeBytes { bound in
        do throws(LSMError) {
          try compact(from: lower, upTo: upper == nil ? nil : bound)
        } catch {
          failure = error
        }
      }
    }
    if let failure { throw failure }
  }
}

extension TreeOptions {
  /// Everything small, and all work done by the writer at once: short programs reach every part, and every
  /// run is the same.
  static var tiny: TreeOptions {
    var options = TreeOptions()
    options.cacheSizeBytes = 1 << 20
    options.memtableSizeBytes = 2 << 10
    options.table.blockBytes = 256
    options.table.restartInterval = 4
    options.tableBytes = 2 << 10
    options.baseLevelBytes = 8 << 10
    options.levelMultiplier = 4
    options.level0CompactionCount = 2
    options.backgroundThreads = 0
    options.preallocatesLogs = false
    options.storeID = StoreID(low: 1, high: 2)
    return options
  }

  /// A drawn set of options: extremes are likely.
  static func random(_ random: inout SeededGenerator) -> TreeOptions {
    var options = tiny
    options.cacheSizeBytes = [0, 1, 4 << 10, 1 << 20][random.below(4)]
    options.memtableSizeBytes = [1, 300, 2 << 10, 20 << 10, 1 << 20][random.below(5)]
    options.table.blockBytes = [1, 64, 256, 4 << 10, 64 << 10][random.below(5)]
    options.table.restartInterval = [1, 2, 16, 64][random.below(4)]
    options.table.compression = [.none, .zstd, .lz4][random.below(3)]
    options.table.filterBitsPerKey = [0, 1, 10, 30][random.below(4)]
    options.tableBytes = [1, 500, 2 << 10, 64 << 10][random.below(4)]
    options.baseLevelBytes = [1, 2 << 10, 8 << 10, 1 << 20][random.below(4)]
    options.levelMultiplier = [2, 4, 10][random.below(3)]
    options.level0CompactionCount = [1, 2, 4, 8][random.below(4)]
    options.level0MergeBytes = [1, 4 << 10, 1 << 20][random.below(3)]
    options.rangeDeletesBeforeFlush = [1, 3, 1000][random.below(3)]
    options.preallocatesLogs = random.below(16) == 0
    return options
  }
}
