import LSM
import LSMTestSupport

/// A whole manifest: the input is cut into records, which get a log's chunks around them.
///
/// Reading it ends with a state or with damage that names the file; the state has each table once.
enum ManifestTarget: FuzzTarget {
  static let name = "manifest"
  static let maximumBytes = 8192
  private static let directory = "/store"
  private static let store = StoreID(low: 1, high: 2)

  static func seeds() throws -> [[UInt8]] {
    let edits = try VersionEditTarget.edits().map { VersionEditTarget.encoded($0) }
    return [[edits[0]], [edits[1]], [edits[1], edits[2]], [edits[0], edits[1]]].map { records in
      records.flatMap { record in
        [UInt8(record.count >> 8), UInt8(record.count & 0xff)] + record
      }
    }
  }

  static func run(_ bytes: UnsafeRawBufferPointer) {
    let fileSystem = MemoryFileSystem()
    do throws(LSMError) {
      try fileSystem.createDirectory(directory)
      let writer = try LogWriter(
        fileSystem, directory: directory, name: .manifest(5), store: store, after: nil,
        preallocates: false)
      var input = FuzzInput(bytes)
      var sequence: UInt64 = 0
      while !input.isEmpty {
        let record = input.bytes(input.word())
        sequence += 1
        var failure: LSMError?
        record.withUnsafeBytes { record in
          do throws(LSMError) { try writer.append(record, sequence: sequence) } catch {
            failure = error
          }
        }
        if let failure { throw failure }
      }
      _ = try writer.finish()
    } catch {
      require(false, "a log takes any record: \(error)")
    }
    let current = CurrentFile(store: store, manifest: 5)
    fileSystem.setBytes(of: directory + "/CURRENT", Array(current.text.utf8))
    do throws(LSMError) {
      let outcome = try ManifestReader.read(fileSystem, directory: directory)
      let numbers = outcome.state.added.map(\.table.number)
      require(Set(numbers).count == numbers.count, "each table is named once")
      require(
        numbers.allSatisfy { $0 < outcome.state.nextFileNumber }, "no number is given out twice")
    } catch {
      guard case .corruption(let damage) = error else {
        return require(false, "what is wrong with a manifest is damage: \(error)")
      }
      require(damage.path.hasPrefix(directory), "damage names its file")
    }
  }
}
