import Testing
import seandb_bench

@Suite("Numbers of inserted records")
struct InsertSequenceTests {
  @Test func countsOnlyWhatIsThereWithoutAHole() {
    let sequence = InsertSequence(count: 10)
    let numbers = (0..<4).map { _ in sequence.take() }
    #expect(numbers == [10, 11, 12, 13])
    sequence.acknowledge(12)
    #expect(sequence.count == 10)
    sequence.acknowledge(10)
    #expect(sequence.count == 11)
    sequence.acknowledge(11)
    #expect(sequence.count == 13)
    sequence.acknowledge(13)
    #expect(sequence.count == 14)
  }
}
