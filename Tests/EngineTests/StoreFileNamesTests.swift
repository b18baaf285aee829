import Engine
import EngineLSM
import EngineRocksDB
import Testing

@Suite("Names of a store's files") struct StoreFileNamesTests {
  @Test(arguments: [EngineDescriptor.rocksDB, .lsm])
  func knowWhatHoldsData(engine: EngineDescriptor) {
    let files = engine.files
    #expect(files.kind(of: "CURRENT") == .current)
    #expect(files.kind(of: "MANIFEST-000012") == .manifest(number: 12))
    #expect(files.kind(of: "000013.log") == .log(number: 13))
    #expect(files.kind(of: "1234567" + files.tableSuffix) == .table(number: 1_234_567))
    #expect(files.kind(of: "000000.log")?.number == 0)
    #expect(files.kind(of: "99999999999999999999.log") == .log(number: .max))
    #expect(files.kind(of: files.current)?.number == nil)
    #expect(files.kind(of: files.anyLog) == nil)
  }

  @Test(arguments: [
    "", "LOCK", "LOG", "LOG.old.1", "IDENTITY", "OPTIONS-000007", "000014.dbtmp", "000014.tmp",
    "MANIFEST-", "MANIFEST-1a", ".log", "x.log", "+1.log", "lost+found-1",
  ])
  func leaveOut(name: String) {
    for engine in [EngineDescriptor.rocksDB, .lsm] { #expect(engine.files.kind(of: name) == nil) }
  }

  @Test func areEachEnginesOwn() {
    #expect(EngineDescriptor.rocksDB.files.kind(of: "000001.blob") == .table(number: 1))
    #expect(EngineDescriptor.rocksDB.files.kind(of: "000001.table") == nil)
    #expect(EngineDescriptor.lsm.files.kind(of: "000001.sst") == nil)
  }
}
