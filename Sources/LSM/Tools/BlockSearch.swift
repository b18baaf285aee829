import CZstd
import Glibc

/// Finds the blocks of a table whose index or footer is damaged, by looking at every byte of the file.
///
/// A zstd frame tells its length, in front of an LZ4 block is its length, and a raw block can be walked to its end;
/// that a block is one, and is where it was written, its checksum says. A damaged block is stepped over, byte by byte,
/// to the next one.
///
/// Memory: the file, and one block. Complexity: O(file size), 64 times that for bytes made to look like blocks,
/// and O(n²) in the entries of a raw block.
///
/// Unsafe island. Invariant: `bytes` owns `malloc`ed memory, freed in deinit.
@safe
struct BlockSearch: ~Copyable {
  struct Result {
    var blocks: [BlockHandle] = []
    /// Where the block of range tombstones is, if one was found.
    var rangeTombstones: BlockHandle?
    /// Whether the index itself was found, so that `blocks` are all there were.
    var hasIndex = false
  }

  @safe let bytes: UnsafeRawBufferPointer
  let identity: UInt64
  /// Bytes of what looked like a block of LZ4 and was none. Hostile bytes may look so at every place: after 64 times
  /// the file such blocks are searched no more.
  private var checkedInVain = 0

  init(bytes: UnsafeRawBufferPointer, identity: UInt64) {
    unsafe self.bytes = bytes
    self.identity = identity
  }

  static func run(_ parts: TableParts, identity: UInt64) -> Result {
    let size = Int(parts.fileBytes)
    guard size > 0, let memory = unsafe malloc(size) else { return Result() }
    var search = unsafe BlockSearch(
      bytes: UnsafeRawBufferPointer(start: memory, count: size), identity: identity)
    unsafe parts.readAll(into: UnsafeMutableRawBufferPointer(start: memory, count: size))
    return search.result()
  }

  deinit { unsafe free(UnsafeMutableRawPointer(mutating: bytes.baseAddress)) }

  private mutating func result() -> Result {
    var result = Result()
    var offset = 0
    while offset + BlockTrailer.byteCount < bytes.count {
      guard let byteCount = compressedBlock(at: offset) ?? rawBlock(at: offset) else {
        offset += 1
        continue
      }
      let handle = BlockHandle(offset: UInt64(offset), byteCount: UInt64(byteCount))
      if let all = index(handle, after: result.blocks) {
        result.blocks = all
        result.hasIndex = true
        return result
      }
      if isBlock(handle, .entries) {
        result.blocks.append(handle)
      } else if isBlock(handle, .rangeTombstones) {
        result.rangeTombstones = handle
      }
      offset += byteCount
    }
    return result
  }

  // MARK: - Ends

  private func number(_ offset: Int) -> UInt32 {
    offset + 4 <= bytes.count ? bytes.littleEndian(UInt32.self, at: offset) : 0
  }

  /// The size of the compressed block that begins at `offset`, with its trailer.
  private mutating func compressedBlock(at offset: Int) -> Int? {
    zstdBlock(at: offset) ?? lz4Block(at: offset)
  }

  private mutating func lz4Block(at offset: Int) -> Int? {
    let size = number(offset)
    let compressedBytes = number(offset + 4)
    let storedBytes = Int(compressedBytes) + Compression.lz4.headerBytes
    // What the compressor keeps to, and what LZ4 can make of so many bytes.
    guard size <= Compression.maximumBlockBytes, storedBytes <= Int(size) - Int(size) / 8,
      Int(size) / 255 <= Int(compressedBytes), checkedInVain < 64 * bytes.count
    else { return nil }
    return checked(offset, Compression.lz4.headerBytes + Int(compressedBytes), .lz4)
  }

  private mutating func zstdBlock(at offset: Int) -> Int? {
    let frame = offset + Compression.zstd.headerBytes
    guard number(frame) == UInt32(ZSTD_MAGICNUMBER) else { return nil }
    // SAFETY: the frame begins inside the bytes; zstd reads no further than their end.
    let frameBytes = unsafe ZSTD_findFrameCompressedSize(
      bytes.baseAddress.unsafelyUnwrapped + frame, bytes.count - frame)
    guard ZSTD_isError(frameBytes) == 0 else { return nil }
    return checked(offset, Compression.zstd.headerBytes + frameBytes, .zstd)
  }

  /// The size of the raw block that begins at `offset`, with its trailer. Walks over its entries, and looks
  /// after each for the end of the block.
  private mutating func rawBlock(at offset: Int) -> Int? {
    var at = offset
    var entryCount: UInt32 = 0
    var wholeKeys: UInt32 = 0
    var key: [UInt8] = []
    var trailer: UInt64 = 0
    while let entry = unsafe BlockEntry(in: bytes, at: at, end: bytes.count) {
      let next = bytes.littleEndian(UInt64.self, at: entry.trailerOffset)
      let kind = UInt8(truncatingIfNeeded: next)
      guard entry.shared <= key.count, kind <= EntryKind.rangeTombstone.rawValue || next == .max,
        entry.keyBytes <= TableFormat.maximumKeyBytes
      else { return nil }
      let rest = unsafe entry.rest(in: bytes)
      if entryCount > 0 {
        let isAfter = key.withBytes { key in
          let order = unsafe KeyOrder.compare(
            UnsafeRawBufferPointer(rebasing: key[entry.shared...]), rest)
          return order < 0 || (order == 0 && trailer > next)
        }
        guard isAfter else { return nil }
      } else if entry.shared != 0 {
        return nil
      }
      key.removeLast(key.count - entry.shared)
      unsafe key.append(contentsOf: rest)
      trailer = next
      at = entry.end
      entryCount += 1
      if entry.shared == 0 { wholeKeys += 1 }
      if let found = rawEnd(offset, entriesEnd: at, entryCount, wholeKeys) { return found }
    }
    return nil
  }

  private mutating func rawEnd(
    _ offset: Int, entriesEnd: Int, _ entryCount: UInt32, _ wholeKeys: UInt32
  ) -> Int? {
    for restartCount in 1...wholeKeys {
      let footer = entriesEnd + Int(restartCount) * BlockBuilder.bytesPerRestart
      guard footer + BlockBuilder.footerBytes <= bytes.count else { return nil }
      if number(footer + 8) == restartCount, number(footer + 4) == entryCount,
        let found = checked(offset, footer + BlockBuilder.footerBytes - offset, .none)
      {
        return found
      }
    }
    return nil
  }

  private mutating func checked(_ offset: Int, _ payloadBytes: Int, _ compression: Compression)
    -> Int?
  {
    let byteCount = payloadBytes + BlockTrailer.byteCount
    guard byteCount <= bytes.count - offset, bytes[offset + payloadBytes] == compression.rawValue
    else { return nil }
    do throws(DamageInBlock) {
      _ = try unsafe BlockTrailer.open(
        UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + byteCount)]),
        identity: identity, offset: UInt64(offset))
      return byteCount
    } catch {
      if compression == .lz4 { checkedInVain += byteCount }
      return nil
    }
  }

  // MARK: - Kinds

  /// Calls `body` with the block's bytes before compression.
  @safe
  private func withPayload<R>(
    _ handle: BlockHandle, _ body: (UnsafeRawBufferPointer) throws(DamageInBlock) -> R
  ) -> R? {
    let begin = Int(handle.offset)
    let stored = unsafe UnsafeRawBufferPointer(
      rebasing: bytes[begin..<(begin + Int(handle.byteCount))])
    do throws(DamageInBlock) {
      let (payload, compression) = try unsafe BlockTrailer.open(
        stored, identity: identity, offset: handle.offset)
      guard compression != .none else { return try unsafe body(payload) }
      let block = try BlockDecompressor.decompress(payload, compression)
      defer { unsafe free(block.baseAddress) }
      return try unsafe body(UnsafeRawBufferPointer(block))
    } catch {
      return nil
    }
  }

  private func isBlock(_ handle: BlockHandle, _ content: Block.Content) -> Bool {
    withPayload(handle) { (payload) throws(DamageInBlock) in
      try unsafe Block(validating: payload, content: content).entryCount > 0
    } ?? false
  }

  /// The data blocks that the block names, when it is an index: it leads to blocks one after the other from the
  /// file's start on, those found among them.
  private func index(_ handle: BlockHandle, after found: [BlockHandle]) -> [BlockHandle]? {
    guard handle.offset > 0 else { return nil }
    let all = withPayload(handle) { (payload) throws(DamageInBlock) -> [BlockHandle] in
      let block = try unsafe Block(validating: payload, content: .index)
      _ = try Table.checkIndex(block, before: handle.offset, count: UInt64(block.entryCount))
      var handles: [BlockHandle] = []
      var iterator = BlockIterator(block)
      iterator.seekToFirst()
      while iterator.isValid {
        if let handle = BlockHandle(varints: iterator.value) { handles.append(handle) }
        iterator.next()
      }
      return handles
    }
    guard let all, !all.isEmpty else { return nil }
    var rest = all[...]
    for handle in found {
      guard let place = rest.firstIndex(of: handle) else { return nil }
      rest = rest[(place + 1)...]
    }
    return all
  }
}
