"""What is wrong with the words of a page as it stands: cut off, written over another, or out of the window.

Words are looked at as they are drawn, line by line, in shadow roots and in charts too, wherever on the page they are.
What a person can scroll to is not cut off. What floats (a menu, a tip, the line that stays in sight, on a phone the
sidebar) lies over the rest by design, so it only has to hide that.
"""

from __future__ import annotations

from playwright.sync_api import Page

LEAST = 136  # pixels of a column with anything in it
ROOMY = 1440  # pixels of a window in which any column has room

# A box of words is as high as its font's, with room for accents: letters fill the middle of it.
_WRONG = """() => {
  const AIR = .2, SLACK = 1.5, OVER = "[data-testid=stSidebar], [data-testid=stHeader]";
  const main = document.querySelector("[data-testid=stMain]");
  const above = (element) => element.assignedSlot ?? element.parentElement ?? element.getRootNode().host ?? null;
  const line = (element) => { const up = []; for (let one = element; one; one = above(one)) up.push(one); return up; };
  const texts = [], fields = [];
  const gather = (root) => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.nodeType === Node.TEXT_NODE) { if (node.data.trim()) texts.push(node); continue; }
      if (node.shadowRoot) gather(node.shadowRoot);
      if (node.matches("input:is([type=text], [type=number], [role=combobox])")) fields.push(node);
    }
  };
  gather(document.body);
  const told = (words) => words.trim().replace(/\\s+/g, " ").slice(0, 50);
  const found = new Set(), drawn = [];
  const shown = (element) => element.checkVisibility({opacityProperty: true, visibilityProperty: true});
  for (const text of texts) {
    const parent = text.parentElement ?? text.parentNode.host;
    if (!parent || parent.matches("style, script, title, desc, option") || !shown(parent)) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    const up = line(parent), styles = up.map((one) => getComputedStyle(one));
    const floats = up.findIndex((one, n) => ["fixed", "sticky"].includes(styles[n].position) || one.matches?.(OVER));
    for (const box of range.getClientRects()) {
      const air = AIR * box.height;
      let {left, right} = box, top = box.top + air, bottom = box.bottom - air;
      let scrolls = false, unseen = false, cut = "";
      for (const [n, one] of up.entries()) {
        if (one === main || one === document.documentElement || one === document.body) break;
        const {overflowX, overflowY, textOverflow, webkitLineClamp, position} = styles[n];
        const port = one.getBoundingClientRect(), clamped = webkitLineClamp !== "none", glides = /auto|scroll/;
        if (overflowX !== "visible" || overflowY !== "visible") {
          unseen ||= port.width <= 2 && port.height <= 2;
          const across = overflowX !== "visible" && (left < port.left - SLACK || right > port.right + SLACK);
          const down = overflowY !== "visible" && (top < port.top - SLACK || bottom > port.bottom + SLACK);
          const said = textOverflow === "ellipsis" || clamped || up.some((two) => two.title);
          if (across && !glides.test(overflowX) && !scrolls && !said) cut = "across";
          if (down && !glides.test(overflowY) && !scrolls && !clamped) cut = "down";
          scrolls ||= glides.test(overflowX + overflowY);
          if (overflowX !== "visible") { left = Math.max(left, port.left); right = Math.min(right, port.right); }
          if (overflowY !== "visible") { top = Math.max(top, port.top); bottom = Math.min(bottom, port.bottom); }
        }
        if (position === "fixed") break;
      }
      if (unseen) break;  // for who listens alone
      const gone = right - left < 1 || bottom - top < 1;
      if (cut) found.add(`cut off ${cut}: “${told(text.data)}”`);
      else if (!scrolls && floats < 0 && box.right > innerWidth + SLACK)
        found.add(`out of the window: “${told(text.data)}”`);
      if (!gone) drawn.push({text, parent, layer: floats < 0 ? null : up[floats], left, right, top, bottom});
    }
  }
  for (const field of fields.filter(shown))
    if (field.scrollWidth > field.clientWidth + SLACK && getComputedStyle(field).textOverflow !== "ellipsis")
      found.add(`cut off in its field: “${told(field.value || field.placeholder)}”`);
  // What floats hides what it lies over, if it has a ground of its own.
  const covers = ({parent, layer}) => layer && line(parent).slice(0, line(parent).indexOf(layer) + 1).some((one) => {
    const ground = one instanceof Element ? getComputedStyle(one).backgroundColor : "";
    return ground && !/^rgba\\(.*, (0|0\\.\\d+)\\)$|\\/ (0|0?\\.\\d+)\\)$|^transparent$/.test(ground);
  });
  drawn.sort((one, other) => one.top - other.top);
  for (const [n, one] of drawn.entries())
    for (let m = n + 1; m < drawn.length && drawn[m].top < one.bottom - SLACK; m++) {
      const other = drawn[m];
      if (one.text === other.text || one.layer !== other.layer && [one, other].some(covers)) continue;
      if (Math.min(one.right, other.right) - Math.max(one.left, other.left) > SLACK
          && Math.min(one.bottom, other.bottom) - other.top > SLACK)
        found.add(`“${told(one.text.data)}” and “${told(other.text.data)}” lie over each other`);
    }
  return [...found];
}"""


# How far the page or its main part is wider than it may be, and what stands out.
_SCROLLS = """() => {
  const main = document.querySelector("[data-testid=stMain]"), wide = [];
  for (const [name, place] of [["page", document.scrollingElement], ["main part", main]])
    if (place.scrollWidth > place.clientWidth + 1)
      wide.push(`${name} ${place.scrollWidth} > ${place.clientWidth}`);
  if (!wide.length) return wide;
  const limit = document.documentElement.clientWidth;
  const out = [...main.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > limit + 1);
  return [...wide, ...out.slice(0, 4).map((one) => one.outerHTML.slice(0, 120))];
}"""


# The columns that are too narrow for their words, by what stands in them.
_SLIM = f"""() => [...document.querySelectorAll("[data-testid=stMain] [data-testid=stColumn]")]
    .filter((column) => column.offsetParent && column.innerText.trim() && column.clientWidth < {LEAST})
    .map((column) => `a column too narrow for its words: “${{column.innerText.trim().slice(0, 40)}}”`)"""


def wrong(page: Page) -> list[str]:
    """Each as a sentence; nothing where every word can be read."""
    narrow = page.viewport_size["width"] < ROOMY
    return [*page.evaluate(_WRONG), *(page.evaluate(_SLIM) if narrow else ())]


def sideways(page: Page) -> list[str]:
    """How much wider than it may be the page is, and what stands out; nothing where it does not scroll sideways."""
    found: list[str] = page.evaluate(_SCROLLS)
    return found
