import LSM
import Testing

@Suite("File names") struct FileNameTests {
  static let names: [(FileName, String)] = [
    (.log(12), "000012.log"), (.table(13), "000013.table"), (.manifest(14), "MANIFEST-000014"),
    (.temporary(14), "000014.tmp"), (.current, "CURRENT"), (.lock, "LOCK"),
    (.log(1_234_567), "1234567.log"),
    (.manifest(FileNumber(.max)), "MANIFEST-18446744073709551615"),
  ]

  @Test(arguments: names)
  func printsAndParses(name: FileName, text: String) {
    #expect(name.description == text)
    #expect(FileName(text) == name)
  }

  @Test(arguments: [
    "", "000012", ".log", "12.log", "0000012.log", "+00012.log", "000012.LOG", "00001a.log",
    "MANIFEST-", "MANIFEST-14", "MANIFEST-000014.tmp", "current", "CURRENT ", "000012.log.tmp",
    "18446744073709551616.log", "99999999999999999999999.log", "000012.sst", "-00012.log",
    "000000.log",
  ])
  func refusesEverythingElse(text: String) {
    #expect(FileName(text) == nil)
  }

  @Test func namesAPathInADirectory() {
    #expect(FileName.table(7).path(in: "/data/store") == "/data/store/000007.table")
  }
}
