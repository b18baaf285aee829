import LSM

/// A log made of an input that is a list of steps: its chunks have right checksums, whatever else is wrong.
///
///     step   0   which one (Step), and 5 bits for it
///            1   what it takes
///
/// It keeps a list of its own of what it wrote, and so knows what a reader has to find.
struct LogScript {
  struct Record: Equatable {
    let offset: UInt64
    let sequence: UInt64
    let bytes: [UInt8]
  }

  private struct Chunk {
    let offset: Int
    let type: UInt8
    let syncOffset: UInt64
    let bytes: [UInt8]
    var end: Int { offset + bytes.count }
    var payload: [UInt8] { Array(bytes.dropFirst(chunkHeaderBytes)) }
  }

  private enum Step: UInt8 {
    /// A record as the writer makes it: length, 2 bytes. 1 bit: its sequence number is much larger.
    case record = 0
    /// A chunk of any type, 4 bits of it: length, 1 byte; payload. 1 bit: with a sequence number.
    case chunk
    /// All so far is durable.
    case sync
    /// A full chunk that leaves so many bytes of the block, 1 byte.
    case fill
    /// The seal, 1 bit: with the right sequence number.
    case seal
    /// Zeros: their number, 2 bytes.
    case zeros
    /// Bytes: their number, 1 byte; the bytes.
    case bytes
    /// Changes a byte: its distance from the end, 2 bytes; a mask. 1 bit: the sync offset of the next
    /// chunk instead, its distance from the right one, 1 byte.
    case change
  }

  static let maximumBytes = 2 * LogFormat.blockBytes
  private static let chunkHeaderBytes = 23
  private static let headerBytes = 79
  private static let smallestChunkBytes = 31

  let number: FileNumber
  private(set) var bytes: [UInt8] = []
  /// Of the last record that was written.
  private(set) var lastSequence: UInt64
  private let firstSequence: UInt64
  private let context: UInt64
  private var synced: UInt64 = 0
  private var syncOffsetChange = 0
  private var chunks: [Chunk] = []

  /// Begins with a header that says the three numbers, which need not be right.
  init(
    number: FileNumber, store: StoreID, stated: FileNumber, predecessor: FileNumber,
    length: UInt64, lastSequence: UInt64
  ) {
    self.number = number
    self.lastSequence = predecessor == 0 ? 0 : lastSequence
    firstSequence = self.lastSequence
    context = store.context(of: stated)
    var payload = Array("SLOG".utf8)
    payload.append(littleEndian: 1 as UInt32)
    for word in [
      store.low, store.high, stated.rawValue, predecessor.rawValue, length, lastSequence,
    ] {
      payload.append(littleEndian: word)
    }
    append(type: 5, payload)
  }

  /// Runs steps until `input` is at its end or says that the log is.
  mutating func run(_ input: inout FuzzInput) {
    while !input.isEmpty, bytes.count < Self.maximumBytes {
      let control = input.byte()
      if control == 0xFF { return }
      let flags = control >> 3
      switch Step(rawValue: control & 7) ?? .record {
      case .record:
        appendRecord(input.word(), sequence: lastSequence &+ (flags & 1 == 0 ? 1 : 1 << 40))
      case .chunk:
        let count = Int(input.byte())
        appendChunk(type: flags & 15, hasSequence: flags & 16 != 0, input.bytes(count))
      case .sync: synced = UInt64(bytes.count)
      case .fill: fill(leaving: Int(input.byte()))
      case .seal:
        var payload: [UInt8] = []
        payload.append(littleEndian: flags & 1 == 0 ? lastSequence : lastSequence &+ 1)
        append(type: 6, payload)
      case .zeros:
        bytes += [UInt8](repeating: 0, count: input.word())
      case .bytes:
        let count = Int(input.byte())
        bytes += input.bytes(count)
      case .change where flags & 1 == 0:
        let distance = input.word()
        let mask = input.byte()
        guard distance < bytes.count else { continue }
        bytes[bytes.count - 1 - distance] ^= mask
      case .change: syncOffsetChange = Int(Int8(bitPattern: input.byte()))
      }
    }
  }

  /// What a creation that was cut short leaves.
  mutating func tearHeader() {
    bytes[0] ^= 1
  }

  // MARK: - Chunks

  private func left() -> Int { LogFormat.blockBytes - bytes.count % LogFormat.blockBytes }

  private mutating func pad() {
    let left = left()
    if left < Self.smallestChunkBytes { bytes += [UInt8](repeating: 0, count: left) }
  }

  private mutating func appendRecord(_ count: Int, sequence: UInt64) {
    var rest = [UInt8]()
    rest.append(littleEndian: sequence)
    rest += (0..<count).map { UInt8(truncatingIfNeeded: $0 &+ Int(truncatingIfNeeded: sequence)) }
    lastSequence = sequence
    var isFirst = true
    repeat {
      pad()
      let part = rest.prefix(left() - Self.chunkHeaderBytes)
      rest = Array(rest.dropFirst(part.count))
      append(type: isFirst ? (rest.isEmpty ? 1 : 2) : (rest.isEmpty ? 4 : 3), Array(part))
      isFirst = false
    } while !rest.isEmpty
  }

  private mutating func appendChunk(type: UInt8, hasSequence: Bool, _ payload: [UInt8]) {
    var whole: [UInt8] = []
    if hasSequence {
      lastSequence &+= 1
      whole.append(littleEndian: lastSequence)
    }
    append(type: type, whole + payload)
  }

  private mutating func fill(leaving rest: Int) {
    pad()
    let room = left() - Self.chunkHeaderBytes - rest
    guard room >= 8 else { return }
    appendRecord(room - 8, sequence: lastSequence &+ 1)
  }

  private mutating func append(type: UInt8, _ payload: [UInt8]) {
    pad()
    let payload = Array(payload.prefix(left() - Self.chunkHeaderBytes))
    let offset = bytes.count
    let syncOffset = synced &+ UInt64(bitPattern: Int64(syncOffsetChange))
    syncOffsetChange = 0
    var covered: [UInt8] = []
    covered.append(littleEndian: UInt16(payload.count))
    covered.append(type)
    covered.append(littleEndian: UInt32(truncatingIfNeeded: number.rawValue))
    covered.append(littleEndian: syncOffset)
    covered += payload
    let checksum = covered.withUnsafeBytes { XXH64.hash($0, seed: context &+ UInt64(offset)) }
    var chunk: [UInt8] = []
    chunk.append(littleEndian: checksum)
    chunk += covered
    bytes += chunk
    chunks.append(Chunk(offset: offset, type: type, syncOffset: syncOffset, bytes: chunk))
  }

  // MARK: - What a reader has to find

  struct Expected: Equatable {
    var records: [Record] = []
    var isSealed = false
    /// Behind the last whole record, or the seal.
    var length = 0
    var lastSequence: UInt64
    var isDamaged = false
  }

  /// What the log says when it is the last one, by docs/file-formats/lsm-wal.md.
  var expected: Expected {
    var expected = Expected(lastSequence: firstSequence)
    let whole = chunks.filter { isWhole($0) && 1...6 ~= $0.type }
    func ends(at place: Int) -> Expected {
      expected.isDamaged = whole.contains {
        $0.offset >= place && $0.syncOffset > place && $0.syncOffset <= $0.offset
      }
      return expected
    }
    func damaged() -> Expected {
      expected.isDamaged = true
      return expected
    }
    guard whole.first?.offset == 0 else { return ends(at: 0) }
    var place = Self.headerBytes
    expected.length = place
    var begin: Int?
    var assembled: [UInt8] = []
    var lastSyncOffset: UInt64 = 0
    while place < bytes.count {
      let left = LogFormat.blockBytes - place % LogFormat.blockBytes
      if left < Self.smallestChunkBytes {
        if left >= bytes.count - place { break }
        place += left
      }
      guard let chunk = whole.first(where: { $0.offset == place }) else { return ends(at: place) }
      guard chunk.syncOffset >= lastSyncOffset, chunk.syncOffset <= chunk.offset else {
        return damaged()
      }
      lastSyncOffset = chunk.syncOffset
      place = chunk.end
      switch (chunk.type, begin) {
      case (1, nil), (2, nil):
        begin = chunk.offset
        assembled = chunk.payload
      case (3, .some), (4, .some): assembled += chunk.payload
      case (6, nil):
        guard chunk.payload.count == 8,
          chunk.payload.littleEndian(UInt64.self, at: 0) == expected.lastSequence
        else { return damaged() }
        expected.isSealed = true
        expected.length = place
        return expected
      default: return damaged()
      }
      guard chunk.type == 1 || chunk.type == 4, let first = begin else { continue }
      guard assembled.count >= 8,
        assembled.littleEndian(UInt64.self, at: 0) > expected.lastSequence
      else { return damaged() }
      expected.lastSequence = assembled.littleEndian(UInt64.self, at: 0)
      expected.length = place
      expected.records.append(
        Record(
          offset: UInt64(first), sequence: expected.lastSequence,
          bytes: Array(assembled.dropFirst(8))))
      begin = nil
    }
    return ends(at: place)
  }

  /// Whether a chunk still is what was written.
  private func isWhole(_ chunk: Chunk) -> Bool {
    chunk.end <= bytes.count && bytes[chunk.offset..<chunk.end].elementsEqual(chunk.bytes)
  }
}
