import Testing
import Wire

@Suite("Order of idle connections") struct IdleOrderTests {
  @Test func namesTheOldestOfThoseThatAreThere() {
    var order = IdleOrder<String>()
    #expect(order.first == nil)
    #expect(order.firstSince == .max)
    let first = order.append("first", since: 10)
    let second = order.append("second", since: 20)
    let third = order.append("third", since: 30)
    #expect(order.first == "first")
    #expect(order.firstSince == 10)
    order.remove(second)
    order.remove(first)
    #expect(order.first == "third")
    #expect(order.firstSince == 30)
    // Places are used again, and the order is that of the appends.
    _ = order.append("fourth", since: 40)
    #expect(order.first == "third")
    order.remove(third)
    #expect(order.first == "fourth")
  }

  /// Beside an array that is searched, with the same seed.
  @Test func doesAsAnArrayDoes() throws {
    let seed = UInt64.random(in: .min ... .max)
    var state = seed
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    var order = IdleOrder<Int>()
    var model: [(element: Int, place: Int)] = []
    for step in 0..<2000 {
      if model.isEmpty || random(5) < 3 {
        model.append((step, order.append(step, since: UInt64(step))))
      } else {
        order.remove(model.remove(at: random(model.count)).place)
      }
      #expect(order.first == model.first?.element, "seed \(seed)")
      #expect(order.firstSince == model.first.map { UInt64($0.element) } ?? .max, "seed \(seed)")
    }
  }
}
