import LSM
import LSMTestSupport

/// The text of `CURRENT`: only what would be written is taken.
enum CurrentFileTarget: FuzzTarget {
  static let name = "current"
  static let maximumBytes = 512

  static func seeds() throws -> [[UInt8]] {
    [1, 14, 1_234_567_890 as UInt64].map { number in
      let current = CurrentFile(
        store: StoreID(low: 0x8877_6655_4433_2211, high: 3), manifest: FileNumber(number))
      return Array(current.text.utf8)
    }
  }

  static func run(_ bytes: UnsafeRawBufferPointer) {
    let fileSystem = MemoryFileSystem()
    guard (try? fileSystem.createDirectory("/store")) != nil else { return }
    fileSystem.setBytes(of: "/store/CURRENT", Array(bytes))
    guard let current = try? CurrentFile(fileSystem, directory: "/store") else { return }
    require(Array(current.text.utf8) == Array(bytes), "CURRENT is taken only as it is written")
  }
}
