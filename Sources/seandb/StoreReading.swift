import Engine
import Records
import Server

// SAFETY: a key is lent for the time of its visit, which looks at its first byte if there is one.

/// All records of a store, read in both directions: the check for an engine without one of its own.
struct StoreReading {
  private(set) var problems: [String] = []
  /// Without what the database keeps of itself.
  private(set) var recordCount: UInt64 = 0
  private(set) var tableCount: UInt64 = 0
  private(set) var tableBytes: UInt64 = 0
  /// nil when the store did not say.
  private(set) var facts: StoreFacts?

  /// Reads the store; ends the process when it does not open.
  /// - Parameter advice: what to do then.
  init(_ location: StoreLocation, advice: String? = nil) {
    let engine = location.openForReading(advice: advice)
    var counts: [UInt64] = []
    for direction in ScanDirection.allCases {
      var count: UInt64 = 0
      var records: UInt64 = 0
      do throws(EngineError) {
        _ = try engine.scan(.all, direction: direction, limit: .max, snapshot: nil, tier: .any) {
          key, _ in
          count += 1
          if unsafe key.first == KeyKind.record.rawValue { records += 1 }
          return .next
        }
      } catch {
        problems.append("\(error)")
      }
      counts.append(count)
      recordCount = max(recordCount, records)
    }
    if problems.isEmpty, counts[0] != counts[1] {
      problems.append(
        "\(location.storePath): \(counts[0]) records forwards and \(counts[1]) backwards")
    }
    if let directory = location.dataDirectory {
      do throws(DatabaseError) {
        facts = try StoreFacts(of: engine, directory: directory)
      } catch {
        problems.append("\(error)")
      }
    }
    do throws(EngineError) {
      let statistics = try engine.statistics()
      tableCount = statistics.levels.reduce(0) { $0 + $1.fileCount }
      tableBytes = statistics.tableBytes
      try engine.close()
    } catch {
      Terminal.warn("note: \(error)")
    }
  }
}

extension StoreLocation {
  /// What marker and commit mark ask of the store; nil for a store in no data directory. Ends the process when they
  /// are damaged, or files are gone that were there when the store was closed.
  func expectation() -> StoreExpectation? {
    guard let directory = dataDirectory else { return nil }
    do throws(DatabaseError) {
      let expectation = try StoreExpectation(of: directory, engine: engine)
      do throws(DatabaseError) {
        try expectation.checkFiles()
        return expectation
      } catch {
        // A server that has just started changes the files, and has said so before.
        let now = try StoreExpectation(of: directory, engine: engine)
        guard now != expectation else { throw error }
        try now.checkFiles()
        return now
      }
    } catch {
      Terminal.fail(error)
    }
  }

  /// Whether the store is the right one, and reaches as far as it must; true when nobody can tell.
  func isMet(_ expectation: StoreExpectation?, _ facts: StoreFacts?) -> Bool {
    guard let expectation, let facts else { return true }
    return (try? expectation.check(facts)) != nil
  }

  /// Says what is missing at the end of a store, or that it is another database's.
  /// - Returns: the number of problems.
  func problems(_ expectation: StoreExpectation?, _ facts: StoreFacts?) -> Int {
    guard let expectation, let facts else { return 0 }
    do throws(DatabaseError) {
      try expectation.check(facts)
      return 0
    } catch {
      Terminal.say("\(error)")
      return 1
    }
  }
}

extension StorageEngine {
  /// How many entries there are beside the records: those of indexes, and what the database keeps of itself. 0 when
  /// they cannot be read.
  func entryCountBesideRecords() -> UInt64 {
    var count: UInt64 = 0
    for kind in KeyKind.allCases where kind != .record {
      let range = KeyRange.prefix([kind.rawValue])
      _ = try? scan(range, direction: .ascending, limit: .max, snapshot: nil, tier: .any) {
        _, _ in
        count += 1
        return .next
      }
    }
    return count
  }
}
