import Bytes
import LSM
import TestSupport

/// The parts of a table, out of which a valid frame is made: handles, checksums, counts, and an index
/// over the data blocks, unless the input has its own.
///
///     0   1 bit: separators are as short as they can be
///         1 bit: with a filter over the keys
///     1   parts, each
///         0   3 bits: the part; 1 bit: compressed
///         1   length, 2 bytes
///         3   payload
enum TablePartsTarget: FuzzTarget {
  static let name = "table-parts"
  static let maximumBytes = 4096
  private static let identity = TableFixture.identity

  private enum Part: UInt8, CaseIterable {
    case data, compressedData, rangeTombstones, filter, index, properties
  }

  static func run(_ bytes: UnsafeRawBufferPointer) {
    var random = SeededGenerator(of: bytes)
    var input = FuzzInput(bytes)
    let control = input.byte()
    guard let table = table(&input, shortens: control & 1 != 0, filters: control & 2 != 0) else {
      return
    }
    TablePromises.check(table, &random)
  }

  private static func table(
    _ input: inout FuzzInput, shortens: Bool, filters: Bool
  ) -> [UInt8]? {
    var file: [UInt8] = []
    var given: [Part: [UInt8]] = [:]
    var compressed: Set<Part> = []
    var data: [(handle: BlockHandle, entries: [RawEntry])] = []
    func write(_ payload: [UInt8], _ compression: Compression) -> BlockHandle {
      let begin = file.count
      file += TableSealing.sealed(payload, compression, identity, at: begin)
      return BlockHandle(offset: UInt64(begin), byteCount: UInt64(file.count - begin))
    }
    while !input.isEmpty {
      let control = Int(input.byte())
      let part = Part.allCases[(control & 7) % Part.allCases.count]
      let payload = input.bytes(input.word())
      switch part {
      case .data:
        let entries = payload.withUnsafeBytes { TableModel.entries(of: $0, .entries) } ?? []
        data.append((write(payload, .none), entries))
      case .compressedData:
        let (stored, compression) = compress(payload)
        let entries = payload.withUnsafeBytes { TableModel.entries(of: $0, .entries) } ?? []
        data.append((write(stored, compression), entries))
      default:
        given[part] = payload
        if control & 8 != 0 { compressed.insert(part) }
      }
    }
    func write(_ part: Part, _ payload: [UInt8]) -> BlockHandle {
      guard compressed.contains(part) else { return write(payload, .none) }
      let (stored, compression) = compress(payload)
      return write(stored, compression)
    }
    var properties = TableProperties()
    properties.dataBlockCount = UInt64(data.count)
    let tombstones = given[.rangeTombstones].map { payload in
      properties.rangeTombstoneCount =
        payload.withUnsafeBytes { TableModel.entries(of: $0, .rangeTombstones)?.count }
        .map { UInt64($0) } ?? 0
      return write(.rangeTombstones, payload)
    }
    var filter = given[.filter].map { write(.filter, $0) }
    if filter == nil, filters {
      let hashes = data.flatMap(\.entries).map { $0.key.withUnsafeBytes { BloomFilter.hash($0) } }
      filter = write(.filter, BloomFilter.build(hashes, bitsPerKey: 10))
    }
    let index = write(.index, given[.index] ?? self.index(data, shortens: shortens))
    let footer = Footer(
      identity: identity, fileBytes: 0, index: index, filter: filter, rangeTombstones: tombstones,
      properties: write(.properties, given[.properties] ?? properties.encoded()))
    file += footer.encoded()
    let start = file.count - Footer.byteCount
    file.set(UInt64(file.count), at: start + 16)
    TableSealing.sealFooter(&file, at: start)
    return file
  }

  private static func compress(_ payload: [UInt8]) -> ([UInt8], Compression) {
    var compressor = BlockCompressor()
    var output = ByteWriter()
    let compression = payload.withUnsafeBytes {
      compressor.compress($0, with: payload.count & 1 == 0 ? .zstd : .lz4, into: &output)
    }
    return (output.array(), compression)
  }

  /// Ascending separators, right ones when the blocks ascend.
  private static func index(
    _ data: [(handle: BlockHandle, entries: [RawEntry])], shortens: Bool
  ) -> [UInt8] {
    var builder = BlockBuilder(restartInterval: 1)
    var before: RawEntry?
    for (place, (handle, entries)) in data.enumerated() {
      var separator = entries.last ?? RawEntry(key: before?.key ?? [], trailer: 0)
      if shortens, place + 1 < data.count, let next = data[place + 1].entries.first {
        let shared = zip(separator.key, next.key).prefix { $0 == $1 }.count
        if shared < next.key.count {
          separator = RawEntry(key: Array(next.key[...shared]), trailer: .max)
        }
      }
      if let before, !(before < separator) {
        separator = RawEntry(key: before.key + [0], trailer: .max)
      }
      before = separator
      var value: [UInt8] = []
      value.append(varint: Int(handle.offset))
      value.append(varint: Int(handle.byteCount))
      separator.withKey { key in value.withUnsafeBytes { builder.add(key, value: $0) } }
    }
    return Array(builder.finish())
  }

  static func seeds() -> [[UInt8]] {
    var random = SeededGenerator(seed: 5)
    func part(_ part: Part, _ payload: [UInt8], compressed: Bool = false) -> [UInt8] {
      [
        part.rawValue | (compressed ? 8 : 0), UInt8(payload.count >> 8),
        UInt8(payload.count & 0xFF),
      ]
        + payload
    }
    let tombstones = BlockSeeds.block(
      [
        Entry([0x61], 100, .rangeTombstone, value: [0x62]),
        Entry([], 101, .rangeTombstone, value: [1]),
        Entry([0x61], 4, .rangeTombstone, value: [0x80]),
      ], restartInterval: 1)
    var seeds = BlockSeeds.all.map { [3] + part(.data, $0) + part(.rangeTombstones, tombstones) }
    for (count, size) in [(12, 3), (12, 6), (30, 15), (4, 1)] {
      let entries = random.entries(count, valueBytes: 0..<12).sorted()
      let blocks = stride(from: 0, to: count, by: size).map {
        BlockSeeds.block(Array(entries[$0..<min($0 + size, count)]), restartInterval: 2)
      }
      for control in 0..<4 as Range<UInt8> {
        seeds.append([control] + blocks.flatMap { part(.data, $0) })
      }
      seeds.append(
        [3] + blocks.flatMap { part(.compressedData, $0) }
          + part(.rangeTombstones, tombstones, compressed: true))
      seeds.append(
        [1] + blocks.flatMap { part(.data, $0) }
          + part(.properties, TableProperties().encoded())
          + part(.filter, BloomFilter.build([1, 2, 3], bitsPerKey: 10)))
    }
    return seeds.filter { $0.count <= maximumBytes }
  }
}
