import Engine
import EngineRocksDB
import Glibc
import Records
import TestSupport
import Testing

@Suite("Store watch") struct StoreWatchTests {
  private let folder: TemporaryFolder
  private var store: String { folder.path + "/store" }

  init() throws {
    folder = try TemporaryFolder()
    mkdir(store, 0o755)
    make("CURRENT")
    make("000004.log")
    make("000005.sst")
  }

  private func make(_ name: String) { close(creat(store + "/" + name, 0o644)) }

  @Test func missesNothingWhileFilesComeAndGo() throws {
    var watch = try #require(StoreWatch(store, EngineDescriptor.rocksDB.files))
    for number in 6..<12 {
      #expect(watch.look() == nil)
      make("00000\(number).log")
      unlink("\(store)/00000\(number - 2).log")
      make("000001.dbtmp")
      rename("\(store)/000001.dbtmp", "\(store)/CURRENT")
    }
    #expect(watch.look(isLast: true) == nil)
  }

  @Test func givesWhatIsPutBackAtOnceTheBenefitOfTheDoubt() throws {
    var watch = try #require(StoreWatch(store, EngineDescriptor.rocksDB.files))
    for _ in 0..<3 {
      rename(store, store + ".away")
      #expect(watch.look() == nil)
      rename(store + ".away", store)
      #expect(watch.look() == nil)
    }
  }

  @Test(arguments: ["renamed", "replaced", "CURRENT", "000004.log"])
  func saysWhatIsGoneAtTheSecondLook(what: String) throws {
    var watch = try #require(StoreWatch(store, EngineDescriptor.rocksDB.files))
    #expect(watch.look() == nil)
    switch what {
    case "renamed": rename(store, store + ".away")
    case "replaced":
      rename(store, store + ".away")
      mkdir(store, 0o755)
      make("CURRENT")
      make("000004.log")
    default: unlink(store + "/" + what)
    }
    var last = watch
    #expect(last.look(isLast: true) != nil)
    #expect(watch.look() == nil)
    let second = watch.look()
    let gone = try #require(second)
    #expect(gone.contains(store) && gone.contains("Put it back"), "\(gone)")
  }

  @Test func lacksNoLogWhileTheEngineCannotBeginOne() throws {
    var watch = try #require(StoreWatch(store, EngineDescriptor.rocksDB.files))
    unlink(store + "/000004.log")
    for _ in 0..<3 { #expect(watch.look(needsLog: false) == nil) }
    #expect(watch.look() == nil)
    #expect(watch.look() != nil)
  }
}
