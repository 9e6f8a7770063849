// One bar a channel: the largest signal since the last picture against its threshold, on a logarithmic scale.

const DECADES = 2.5; // the bar's full height is this many powers of ten above a tenth of the threshold

export function drawSignals(canvas, heads, isStale) {
  const ratio = devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const width = canvas.clientWidth, height = canvas.clientHeight - 18;
  const channels = heads.flatMap((head) => head.channels.map((name, index) => ({
    name, signal: head.signal[index], threshold: head.threshold[index] ?? null, sigma: head.sigma[index] ?? null,
  })));
  context.globalAlpha = isStale ? 0.35 : 1;
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "center";
  const share = (value, threshold) => Math.min(1, Math.max(0, (Math.log10(Math.max(value, 1e-9) / threshold) + 1) / DECADES));
  channels.forEach(({ name, signal, threshold, sigma }, index) => {
    const step = width / channels.length, left = index * step;
    context.fillStyle = "#161b22";
    context.fillRect(left + 1, 0, step - 2, height);
    if (signal === null || threshold === null) {
      context.fillStyle = "#ff7b72";
      context.fillText("?", left + step / 2, height / 2);
    } else {
      const top = height * (1 - share(signal, threshold));
      context.fillStyle = signal >= threshold ? "#ff2d2d" : "#58a6ff";
      context.fillRect(left + 1, top, step - 2, height - top);
      context.fillStyle = "#fff";
      context.fillRect(left, height * (1 - share(threshold, threshold)) - 1, step, 2);
      if (sigma !== null) {
        context.fillStyle = "#9da7b3";
        context.fillRect(left + 1, height * (1 - share(sigma, threshold)) - 1, step - 2, 1);
      }
    }
    context.fillStyle = "#9da7b3";
    context.fillText(name, left + step / 2, height + 14);
  });
}
