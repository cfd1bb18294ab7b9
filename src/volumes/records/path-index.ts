interface PathNode {
  readonly children: Map<string, PathNode>;
  id?: string | undefined;
}

/** The data paths of a pool's volumes as a tree, to keep any two of them from containing one another. */
export class PathIndex {
  readonly #root: PathNode = { children: new Map() };

  add(path: string, id: string): void {
    let node = this.#root;
    for (const component of path.split('/')) {
      let next = node.children.get(component);
      if (next === undefined) {
        next = { children: new Map() };
        node.children.set(component, next);
      }
      node = next;
    }
    node.id = id;
  }

  remove(path: string): void {
    const visited: { readonly node: PathNode; readonly component: string }[] = [];
    let node = this.#root;
    for (const component of path.split('/')) {
      const next = node.children.get(component);
      if (next === undefined) return;
      visited.push({ node, component });
      node = next;
    }
    node.id = undefined;
    for (const { node: parent, component } of visited.reverse()) {
      const child = parent.children.get(component);
      if (child === undefined || child.id !== undefined || child.children.size > 0) return;
      parent.children.delete(component);
    }
  }

  /** The id of a volume at, above or below `path`; undefined when the path is free. */
  conflict(path: string): string | undefined {
    let node = this.#root;
    for (const component of path.split('/')) {
      const next = node.children.get(component);
      if (next === undefined) return undefined;
      if (next.id !== undefined) return next.id;
      node = next;
    }
    return firstId(node);
  }
}

function firstId(node: PathNode): string | undefined {
  if (node.id !== undefined) return node.id;
  for (const child of node.children.values()) {
    const id = firstId(child);
    if (id !== undefined) return id;
  }
  return undefined;
}
