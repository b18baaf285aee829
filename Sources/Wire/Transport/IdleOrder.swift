/// Elements in the order in which they came, each of which may leave at any time.
///
/// A ring through an array, so that every step is O(1). Its memory grows to the most elements that there ever were.
///
/// Thread-safety: none; one owner at a time.
package struct IdleOrder<Element> {
  private struct Node {
    var element: Element?
    var since: UInt64
    var previous: Int
    var next: Int
  }

  /// Node 0 is no element: it comes before the first one and after the last one.
  private var nodes = [Node(element: nil, since: .max, previous: 0, next: 0)]
  private var free: [Int] = []

  /// An empty order.
  package init() {}

  /// The element that came before all others; nil when there is none.
  package var first: Element? { nodes[nodes[0].next].element }

  /// When the first one came, as ``append(_:since:)`` was told; `UInt64.max` when there is none.
  package var firstSince: UInt64 { nodes[nodes[0].next].since }

  /// Adds an element after all others.
  ///
  /// - Returns: its place, for ``remove(_:)``.
  package mutating func append(_ element: Element, since: UInt64) -> Int {
    let last = nodes[0].previous
    let node = Node(element: element, since: since, previous: last, next: 0)
    let place: Int
    if let reused = free.popLast() {
      place = reused
      nodes[place] = node
    } else {
      place = nodes.count
      nodes.append(node)
    }
    nodes[last].next = place
    nodes[0].previous = place
    return place
  }

  /// Takes an element out.
  /// - Precondition: `place` is that of an element that was not removed yet.
  package mutating func remove(_ place: Int) {
    let node = nodes[place]
    precondition(node.element != nil)
    nodes[node.previous].next = node.next
    nodes[node.next].previous = node.previous
    nodes[place].element = nil
    free.append(place)
  }
}
