import TestSupport
import Testing
import Wire

@Suite("Session memory") struct SessionMemoryTests {
  /// What nghttp2 does with it, at random, beside a model of what each block must hold.
  @Test(arguments: [1, 2, 3] as [UInt64])
  func keepsWhatIsWrittenWhateverIsResizedAndFreed(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let memory = SessionMemory()
    var blocks: [(address: UnsafeMutableRawPointer, bytes: [UInt8])] = []

    func write(_ address: UnsafeMutableRawPointer, _ bytes: [UInt8]) {
      bytes.withUnsafeBytes { address.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    }
    func read(_ address: UnsafeMutableRawPointer, _ count: Int) -> [UInt8] {
      Array(UnsafeRawBufferPointer(start: address, count: count))
    }
    func someBytes(_ random: inout SeededGenerator) -> [UInt8] {
      let most = Bool.random(using: &random) ? 200 : 3000
      return (0..<Int.random(in: 1...most, using: &random)).map { _ in
        UInt8.random(in: 0...255, using: &random)
      }
    }

    for _ in 0..<20_000 {
      switch Int.random(in: 0..<4, using: &random) {
      case 0, 1:
        let bytes = someBytes(&random)
        let address = try #require(memory.allocate(bytes.count))
        #expect(Int(bitPattern: address) % 16 == 0)
        write(address, bytes)
        blocks.append((address, bytes))
      case 2 where !blocks.isEmpty:
        let index = Int.random(in: blocks.indices, using: &random)
        let old = blocks[index]
        let bytes = someBytes(&random)
        let address = try #require(memory.resize(old.address, bytes.count))
        let kept = min(old.bytes.count, bytes.count)
        #expect(read(address, kept) == Array(old.bytes.prefix(kept)))
        write(address, bytes)
        blocks[index] = (address, bytes)
      default:
        guard let block = blocks.popLast() else { continue }
        #expect(read(block.address, block.bytes.count) == block.bytes)
        memory.release(block.address)
      }
      #expect(memory.freeBytes <= SessionMemory.keptBytes)
    }
    for block in blocks {
      #expect(read(block.address, block.bytes.count) == block.bytes)
      memory.release(block.address)
    }
  }

  @Test func takesTheSameBlockAgain() throws {
    let memory = SessionMemory()
    let first = try #require(memory.allocate(100))
    memory.release(first)
    #expect(memory.freeBytes == 128)
    #expect(memory.allocate(128) == first)
    #expect(memory.freeBytes == 0)
    memory.release(first)
  }

  @Test func keepsNoMoreThanItsShare() throws {
    let memory = SessionMemory()
    let blocks = try (0..<2000).map { _ in try #require(memory.allocate(1024)) }
    for block in blocks { memory.release(block) }
    #expect(memory.freeBytes == SessionMemory.keptBytes)
  }

  @Test(arguments: [Int.max, Int.max - 15]) func refusesWhatNoMemoryHas(size: Int) throws {
    let memory = SessionMemory()
    #expect(memory.allocate(size) == nil)
    let block = try #require(memory.allocate(10))
    #expect(memory.resize(block, size) == nil)
    memory.release(block)
    #expect(memory.allocateCleared(size, 2) == nil)
  }

  @Test func clearsWhatItIsAskedToClear() throws {
    let memory = SessionMemory()
    let dirty = try #require(memory.allocate(64))
    dirty.initializeMemory(as: UInt8.self, repeating: 0xff, count: 64)
    memory.release(dirty)
    let block = try #require(memory.allocateCleared(8, 8))
    #expect(UnsafeRawBufferPointer(start: block, count: 64).allSatisfy { $0 == 0 })
    memory.release(block)
  }
}
