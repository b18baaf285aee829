import Engine
import EngineLSM
import EngineRocksDB
import Testing

@Suite("Engine list") struct EngineListTests {
  private let engines = EngineList([.rocksDB, .lsm])

  @Test func findsAnEngineByItsName() {
    #expect(engines.named("rocksdb") == .rocksDB)
    #expect(engines.named("lsm") == .lsm)
    #expect(engines.named("paper") == nil)
    #expect(engines.standard == .rocksDB)
  }

  @Test(arguments: [
    (["CURRENT", "MANIFEST-000001", "000002.sst"], "rocksdb"),
    (["CURRENT", "IDENTITY"], "rocksdb"),
    (["OPTIONS-000007"], "rocksdb"),
    (["CURRENT"], "lsm"),
    (["MANIFEST-000001"], "lsm"),
    (["000002.table", "000003.sst", "IDENTITY"], "lsm"),
    (["thesis.tex", "LOCK"], nil),
    ([], nil),
  ])
  func tellsAStoreByItsFiles(_ names: [String], _ engine: String?) {
    #expect(engines.engine(ofStoreWith: names)?.name == engine)
  }

  @Test func knowsTheTablesOfTheOthers() {
    #expect(engines.tableSuffixes(besides: .lsm) == [".sst"])
    #expect(engines.tableSuffixes(besides: .rocksDB) == [".table"])
  }
}
