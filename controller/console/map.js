// The map: heading up, following the machine; ground by state, alarms with their circles, the machine to scale.

import { levelFor, TILE_M, Tiles } from "./tiles.js";

const SCALE_MIN = 2, SCALE_MAX = 200; // pixels a metre
const AHEAD = 0.62; // the machine stands this far down the picture, so that more of what comes is seen

export class GroundMap {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.tiles = new Tiles();
    this.scale = 60;
    this.centre = null; // east, north in metres once dragged; null: follow the machine
    this.alarms = [];
    this.maskingRadius = 0;
    this.hatch = this.context.createPattern(hatching(), "repeat");
    this.listen();
  }

  listen() {
    let from = null;
    this.canvas.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY]; });
    addEventListener("pointerup", () => { from = null; });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!from || !this.view) return;
      const right = event.clientX - from[0], down = event.clientY - from[1];
      from = [event.clientX, event.clientY];
      const { heading } = this.view;
      const across = -right / this.scale, along = down / this.scale;
      const [east, north] = this.centre ?? this.view.centre;
      this.centre = [
        east + across * Math.cos(heading) + along * Math.sin(heading),
        north - across * Math.sin(heading) + along * Math.cos(heading),
      ];
    });
    this.canvas.addEventListener("wheel", (event) => { event.preventDefault(); this.zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2); });
  }

  zoom(factor) { this.scale = Math.min(SCALE_MAX, Math.max(SCALE_MIN, this.scale * factor)); }

  follow() { this.centre = null; }

  /** Draw everything as of one state; `isStale`: too old to say where the machine is. */
  draw(snapshot, isStale) {
    const { canvas, context } = this;
    const ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== width * ratio || canvas.height !== height * ratio) {
      canvas.width = width * ratio;
      canvas.height = height * ratio;
    }
    const position = snapshot?.position_dmm?.map((part) => part / 1e4) ?? null;
    const heading = (snapshot?.heading_deg ?? 0) * Math.PI / 180;
    this.view = { heading, centre: position ?? this.view?.centre ?? [0, 0] };
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = this.hatch;
    context.fillRect(0, 0, width, height);
    const [east, north] = this.centre ?? this.view.centre;
    context.translate(width / 2, height * (this.centre ? 0.5 : AHEAD));
    context.rotate(-heading);
    context.scale(this.scale, -this.scale);
    context.translate(-east, -north);
    this.drawTiles();
    for (const alarm of this.alarms) this.drawAlarm(alarm);
    if (position && snapshot) this.drawMachine(snapshot, position, heading, isStale);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.drawScaleBar(width, snapshot);
  }

  drawTiles() {
    const { context } = this;
    const level = levelFor(this.scale);
    context.imageSmoothingEnabled = false;
    for (const { tx, ty, levels } of this.tiles.pictures.values()) {
      context.save();
      context.translate(tx * TILE_M, (ty + 1) * TILE_M);
      context.scale(1, -1);
      // Half a pixel over its edge: a seam between tiles must not look like a strip that was missed.
      context.drawImage(levels[level], 0, 0, TILE_M + 0.5 / this.scale, TILE_M + 0.5 / this.scale);
      context.restore();
    }
  }

  drawAlarm(alarm) {
    if (alarm.east_dmm === null || alarm.check !== null) return;
    const { context } = this;
    const east = alarm.east_dmm / 1e4, north = alarm.north_dmm / 1e4;
    const line = 2.5 / this.scale;
    context.lineWidth = line;
    context.strokeStyle = "#fff";
    circle(context, east, north, this.maskingRadius + (alarm.error_m ?? 0), false);
    context.setLineDash([4 * line, 3 * line]);
    circle(context, east, north, Math.max(alarm.error_m ?? 0, 2 * line), false);
    context.setLineDash([]);
    context.beginPath();
    context.moveTo(east - 0.12, north); context.lineTo(east + 0.12, north);
    context.moveTo(east, north - 0.12); context.lineTo(east, north + 0.12);
    context.stroke();
    this.label(`${alarm.alarm}${alarm.acknowledged_by ? " ✓" : ""}`, east, north);
  }

  label(text, east, north) {
    const { context } = this;
    context.save();
    context.translate(east, north);
    context.scale(1 / this.scale, -1 / this.scale);
    context.rotate(this.view.heading); // upright whatever the heading
    context.font = "bold 18px system-ui, sans-serif";
    context.lineWidth = 4;
    context.strokeStyle = "#000";
    context.fillStyle = "#fff";
    context.strokeText(text, 10, -10);
    context.fillText(text, 10, -10);
    context.restore();
  }

  drawMachine(snapshot, [east, north], heading, isStale) {
    const { context } = this;
    const isHeadingKnown = snapshot.heading_deg !== null;
    context.save();
    context.globalAlpha = isStale ? 0.35 : 1;
    context.translate(east, north);
    context.lineWidth = 2.5 / this.scale;
    context.strokeStyle = context.fillStyle = "#fff";
    circle(context, 0, 0, 6 / this.scale, true);
    if (isHeadingKnown) {
      context.rotate(-heading); // now y is forward, x is right
      const [antennaX, antennaY] = snapshot.antenna_m;
      for (const head of snapshot.heads) this.drawHead(head, antennaX, antennaY);
    }
    context.restore();
  }

  drawHead(head, antennaX, antennaY) {
    const { context } = this;
    const isSilent = head.age_ns === null || head.age_ns > 1e9;
    const places = head.coils_m.map(([x, y]) => [-(y - antennaY), x - antennaX]);
    if (places.length > 0) {
      context.strokeStyle = "#fff";
      context.beginPath();
      context.moveTo(0, 0);
      context.lineTo((places[0][0] + places.at(-1)[0]) / 2, (places[0][1] + places.at(-1)[1]) / 2);
      context.stroke();
    }
    places.forEach(([right, forward], index) => {
      const signal = head.signal[index];
      const isAbove = signal !== null && signal >= head.threshold[index];
      context.strokeStyle = isAbove ? "#ff2d2d" : signal === null || isSilent ? "#9da7b3" : "#fff";
      context.fillStyle = isAbove ? "#ff2d2dcc" : signal === null || isSilent ? "#00000099" : "#ffffff33";
      context.beginPath();
      context.arc(right, forward, head.radius_m[index] / 2, 0, 7);
      context.fill();
      context.stroke();
      if (signal === null || isSilent) { // a channel that says nothing is crossed out
        const reach = head.radius_m[index] / 3;
        context.beginPath();
        context.moveTo(right - reach, forward - reach); context.lineTo(right + reach, forward + reach);
        context.stroke();
      }
    });
  }

  drawScaleBar(width, snapshot) {
    const { context } = this;
    const metres = [1, 2, 5, 10, 20, 50].find((length) => length * this.scale > 80) ?? 100;
    const right = width - 24, top = 28;
    context.fillStyle = "#0d1117cc";
    context.fillRect(right - metres * this.scale - 12, top - 22, metres * this.scale + 24, 34);
    context.strokeStyle = context.fillStyle = "#fff";
    context.lineWidth = 3;
    context.beginPath();
    context.moveTo(right - metres * this.scale, top); context.lineTo(right, top);
    context.stroke();
    context.font = "15px system-ui, sans-serif";
    context.textAlign = "right";
    const up = snapshot?.heading_deg === null || !snapshot ? "north up" : "heading up";
    context.fillText(`${metres} m, ${up}`, right, top - 6);
    context.textAlign = "left";
  }
}

function circle(context, x, y, radius, isFilled) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  if (isFilled) context.fill(); else context.stroke();
}

/** Hazard hatch: ground that nobody has visited. */
export function hatching() {
  const size = 24;
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext("2d");
  context.fillStyle = "#1b1a10";
  context.fillRect(0, 0, size, size);
  context.strokeStyle = "#b08a00";
  context.lineWidth = 5;
  for (const shift of [-size, 0, size]) {
    context.beginPath();
    context.moveTo(shift - 4, size + 4); context.lineTo(shift + size + 4, -4);
    context.stroke();
  }
  return canvas;
}
