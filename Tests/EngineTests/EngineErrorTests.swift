import Engine
import Testing

@Suite("Engine error")
struct EngineErrorTests {
  private static let failure = EngineError.Failure(
    operation: .get, directory: "/data", detail: "Corruption: block checksum mismatch")

  @Test func saysWhatFailedWhereAndWhatToDo() {
    let text = EngineError.corruption(Self.failure).description
    #expect(text.hasPrefix("cannot get /data: Corruption: block checksum mismatch. "))
    #expect(text.contains("seandb repair"))
    #expect(EngineError.lockHeld(directory: "/data").description.contains("/data"))
  }

  @Test func onlyDamagedDataIsCorruption() {
    #expect(EngineError.corruption(Self.failure).isCorruption)
    #expect(!EngineError.io(Self.failure).isCorruption)
    #expect(!EngineError.closed.isCorruption)
  }
}
