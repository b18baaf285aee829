import Bytes
import LSM
import TestSupport

/// A record of the manifest, as the bytes behind the log's checksums.
///
/// What is taken reads back the same from what it is written as: every field was understood.
enum VersionEditTarget: FuzzTarget {
  static let name = "version-edit"
  static let maximumBytes = 4096

  static func seeds() throws -> [[UInt8]] { try edits().map { encoded($0) } }

  /// Edits with none, one and several tables, whose bounds a real table has.
  static func edits() throws -> [VersionEdit] {
    var random = SeededGenerator(seed: 3)
    let fixture = try TableFixture(random.entries(20), options: TableOptions())
    let table = try fixture.open(cache: BlockCache(capacityBytes: 0))
    let metadata = (1...3).map { number in
      TableMetadata(
        number: FileNumber(UInt64(number)), identity: 7, fileBytes: 100, epoch: UInt64(number),
        reclaimableCount: 0, properties: table.properties)
    }
    var state = VersionEdit(
      kind: .state, nextFileNumber: 10, nextEpoch: 4, flushedSequence: SequenceNumber(rawValue: 30),
      logNumber: 9)
    var change = state
    change.kind = .change
    let empty = state
    state.added = [
      .init(level: 0, table: metadata[0]), .init(level: 6, table: metadata[1]),
    ]
    change.removed = [.init(level: 0, number: 1)]
    change.added = [.init(level: 1, table: metadata[2])]
    return [empty, state, change]
  }

  static func encoded(_ edit: VersionEdit) -> [UInt8] {
    var writer = ByteWriter()
    edit.encode(into: &writer)
    return writer.array()
  }

  static func run(_ bytes: UnsafeRawBufferPointer) {
    guard let edit = try? VersionEdit(decoding: bytes) else { return }
    require(encoded(edit) == Array(bytes), "an edit is written as it was read")
  }
}
