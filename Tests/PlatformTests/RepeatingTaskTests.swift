import Dispatch
import Platform
import Synchronization
import Testing

@Suite("Repeating task") struct RepeatingTaskTests {
  private final class Counter: Sendable {
    let value = Atomic(0)
    let isThere = DispatchSemaphore(value: 0)

    func add() {
      value.add(1, ordering: .relaxed)
      isThere.signal()
    }
  }

  @Test func looksUntilItIsStopped() {
    let (counter, task) = (Counter(), RepeatingTask(label: "t", everyMilliseconds: 1))
    task.start { counter.add() }
    for _ in 0..<3 { counter.isThere.wait() }
    task.stop()
    let looks = counter.value.load(ordering: .relaxed)
    task.perform { counter.add() }
    task.stop()
    #expect(looks >= 3)
    #expect(counter.value.load(ordering: .relaxed) == looks)
  }

  @Test func performsWhatItIsToldBetweenLooks() {
    let (counter, task) = (Counter(), RepeatingTask(label: "t", everyMilliseconds: 3_600_000))
    task.start { counter.add() }
    task.perform { counter.add() }
    counter.isThere.wait()
    task.stop()
    #expect(counter.value.load(ordering: .relaxed) == 1)
  }
}
