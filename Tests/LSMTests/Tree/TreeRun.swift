import LSM
import LSMTestSupport
import TestSupport
import Testing

/// One thing that a program does to a tree.
enum TreeStep {
  case write([Change], sync: Bool)
  case flush
  case compact([UInt8], [UInt8]?)
  case snapshot
  case release
  case reopen
}

/// Runs programs on a tree and remembers what was promised, through any number of crashes.
struct TreeRun {
  static let directory = "/store"

  var options = TreeOptions.tiny
  /// Batches handed to the tree, in their order, those of unknown outcome among them.
  private(set) var batches: [[Change]] = []
  /// How many of them must be there after the death of the process.
  private(set) var written = 0
  /// How many of them must be there after a power cut.
  private(set) var synced = 0
  private(set) var failure: LSMError?
  /// Writes that were refused without harm.
  private(set) var refusals = 0

  /// Runs a program until it ends or fails; the tree is left open, as a crash finds it.
  mutating func go(_ steps: [TreeStep], on fileSystem: MemoryFileSystem) -> LSMTree? {
    failure = nil
    var tree: LSMTree?
    var snapshots: [TreeSnapshot] = []
    do throws(LSMError) {
      tree = try LSMTree.open(fileSystem, directory: Self.directory, options: options)
      for step in steps {
        guard let open = tree else { break }
        switch step {
        case .write(let changes, let sync):
          batches.append(changes)
          do throws(LSMError) {
            try open.apply(changes, sync: sync)
          } catch .refused {
            // Certainly not stored, and the next one may be.
            batches.removeLast()
            refusals += 1
            continue
          }
          written = batches.count
          if sync { synced = batches.count }
        case .flush:
          if try isDone({ () throws(LSMError) in try open.flush() }, open) {
            synced = batches.count
          }
        case .compact(let lower, let upper):
          if try isDone({ () throws(LSMError) in try open.compact(lower, upper) }, open) {
            synced = batches.count
          }
        case .snapshot: snapshots.append(open.snapshot())
        case .release: if !snapshots.isEmpty { snapshots.removeFirst() }
        case .reopen:
          snapshots = []
          tree = nil
          try open.close()
          synced = batches.count
          tree = try LSMTree.open(fileSystem, directory: Self.directory, options: options)
        }
        // What background work ran into shows at the next write; the program ends here already.
        if let failure = tree?.failure { throw failure }
      }
    } catch {
      failure = error
    }
    return tree
  }

  /// Writes a record that must be taken.
  mutating func write(_ key: [UInt8], _ value: [UInt8], to tree: LSMTree) {
    batches.append([.put(key, value)])
    #expect(throws: Never.self) { try tree.apply([.put(key, value)], sync: true) }
    written = batches.count
    synced = batches.count
  }

  /// Whether a job was done; one that failed without poison may be done later.
  private func isDone(
    _ job: () throws(LSMError) -> Void, _ tree: LSMTree
  ) throws(LSMError) -> Bool {
    do throws(LSMError) {
      try job()
      return true
    } catch {
      if tree.failure != nil || error.isCorruption { throw error }
      return false
    }
  }

  /// The state after the first `count` batches.
  func model(_ count: Int) -> TreeModel {
    batches[..<count].reduce(into: TreeModel()) { $0.apply($1) }
  }

  /// Opens what a crash has left and compares it with what was promised; then forgets what was lost.
  ///
  /// - Parameter atLeast: batches that must be there.
  /// - Returns: how many are.
  @discardableResult
  mutating func check(
    _ fileSystem: MemoryFileSystem, atLeast: Int, _ comment: @autoclosure () -> String
  ) -> Int {
    do {
      let tree = try LSMTree.open(fileSystem, directory: Self.directory, options: options)
      let found = try tree.records().records
      var state = model(atLeast)
      var count = atLeast
      while state.sorted() != found, count < batches.count {
        state.apply(batches[count])
        count += 1
      }
      if state.sorted() != found {
        Issue.record("\(comment()): no state from batch \(atLeast) to \(batches.count) is there")
      }
      let backwards = try tree.records(descending: true).records
      #expect(backwards == found.reversed(), "\(comment()), backwards")
      for key in Set(batches.flatMap { $0 }.flatMap(\.keys)) {
        let value = try tree.value(key).value
        if value != state.records[key] { Issue.record("\(comment()), key \(key)") }
      }
      try tree.close()
      batches.removeLast(batches.count - count)
      written = count
      synced = count
      return count
    } catch {
      Issue.record("\(comment()): \(error)")
      return 0
    }
  }
}

extension Change {
  var keys: [[UInt8]] {
    switch self {
    case .put(let key, _), .delete(let key): [key]
    case .deleteRange(let lower, let upper): [lower, upper]
    }
  }

  /// Few and close keys, so that overwrites, prefixes and bounds meet.
  static func randomKey(_ random: inout SeededGenerator) -> [UInt8] {
    let alphabet: [UInt8] = [0x00, 0x61, 0x62, 0xff]
    return (0..<random.below(5)).map { _ in alphabet[random.below(4)] }
  }

  static func random(_ random: inout SeededGenerator) -> Change {
    switch random.below(10) {
    case 0..<6:
      let size = random.below(20) == 0 ? random.below(3000) : random.below(60)
      return .put(randomKey(&random), random.bytes(size))
    case 6..<9: return .delete(randomKey(&random))
    default:
      let ends = [randomKey(&random), randomKey(&random)]
        .sorted { $0.lexicographicallyPrecedes($1) }
      return ends[0] == ends[1] ? .delete(ends[0]) : .deleteRange(ends[0], ends[1])
    }
  }
}

extension TreeStep {
  static func program(_ count: Int, _ random: inout SeededGenerator) -> [TreeStep] {
    (0..<count).map { _ in
      switch random.below(100) {
      case 0..<80:
        .write(
          (0...random.below(5)).map { _ in Change.random(&random) }, sync: random.below(3) == 0)
      case 80..<86: .flush
      case 86..<90:
        .compact(
          random.below(2) == 0 ? [] : Change.randomKey(&random),
          random.below(2) == 0 ? nil : Change.randomKey(&random))
      case 90..<94: .snapshot
      case 94..<97: .release
      default: .reopen
      }
    }
  }
}
