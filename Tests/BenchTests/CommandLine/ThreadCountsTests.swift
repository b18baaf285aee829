import Testing
import seandb_bench

@Suite("Thread counts")
struct ThreadCountsTests {
  @Test(arguments: [("1", [1]), ("1,4", [1, 4]), ("4,1,4", [4, 1]), ("1024", [1024])])
  func areTakenInOrderAndOnce(argument: String, counts: [Int]) {
    #expect(ThreadCounts(argument: argument)?.counts == counts)
  }

  @Test(arguments: ["", "0", "1025", "1,", "1,,4", "four", "1;4", "-1"])
  func areRefusedWhenOneIsWrong(argument: String) {
    #expect(ThreadCounts(argument: argument) == nil)
  }
}
