// The map's tiles as pictures: 256 x 256 cells of 0.05 m, and halved again and again so that the worst cell wins.

import { STATES } from "./words.js";

export const CELL_M = 0.05;
export const CELLS = 256;
export const TILE_M = CELL_M * CELLS;
const LEVELS = 6;
const NOT_VISITED = 3;

/** Fetches tiles by version and keeps them as pictures, one canvas a level. */
export class Tiles {
  constructor() {
    this.pictures = new Map();
    this.wanted = new Map();
  }

  /** Take the list of [tx, ty, version] and fetch what is new; calls `changed` when a picture is ready. */
  update(session, list, changed) {
    if (session !== this.session) {
      this.session = session;
      this.pictures.clear();
      this.wanted.clear();
    }
    for (const [tx, ty, version] of list) {
      const key = `${tx},${ty}`;
      if (this.wanted.get(key) === version) continue;
      this.wanted.set(key, version);
      this.fetch(key, tx, ty, version, changed);
    }
  }

  async fetch(key, tx, ty, version, changed) {
    try {
      const answer = await fetch(`api/tile?tx=${tx}&ty=${ty}&session=${this.session}&version=${version}`);
      if (!answer.ok) throw new Error(answer.statusText);
      const states = new Uint8Array(await answer.arrayBuffer());
      if (this.wanted.get(key) !== version) return; // a newer one is on its way
      this.pictures.set(key, { tx, ty, levels: paint(states) });
      changed();
    } catch {
      this.wanted.delete(key); // asked for again with the next list
    }
  }
}

/** The coarsest level whose cells are still no larger than a pixel of the screen. */
export function levelFor(pixelsPerMetre) {
  const level = Math.floor(Math.log2(Math.max(1, 1 / (CELL_M * pixelsPerMetre))));
  return Math.min(level, LEVELS - 1);
}

function paint(states) {
  const levels = [];
  for (let size = CELLS, cells = states; levels.length < LEVELS; size /= 2) {
    levels.push(picture(cells, size));
    cells = halve(cells, size);
  }
  return levels;
}

/** Of each four cells the worst; what was not visited is worse than what counts. */
function halve(cells, size) {
  const half = size / 2;
  const worst = new Uint8Array(half * half);
  for (let row = 0; row < half; row++) {
    for (let column = 0; column < half; column++) {
      const at = 2 * row * size + 2 * column;
      worst[row * half + column] = Math.max(cells[at], cells[at + 1], cells[at + size], cells[at + size + 1]);
    }
  }
  return worst;
}

/** North up; ground that was not visited stays clear, so that the hatch beneath shows. */
function picture(cells, size) {
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext("2d");
  const image = context.createImageData(size, size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const state = cells[row * size + column];
      if (state === NOT_VISITED) continue;
      const at = 4 * ((size - 1 - row) * size + column);
      image.data.set(STATES[state].colour, at);
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
