// The alarm's sound on this screen. The machine's own lamp and buzzer are driven by core and do not depend on it.

export class AlarmSound {
  constructor() {
    this.context = null;
    this.isOn = true;
    this.next = 0;
  }

  /** Browsers allow sound only after a touch, unless the kiosk was started to allow it. */
  unlock() {
    this.context ??= new AudioContext();
    return this.context.resume();
  }

  get isAudible() { return this.isOn && this.context?.state === "running"; }

  /** Called with every state: beeps twice a second while an alarm sounds. */
  update(isSounding, now) {
    if (!isSounding || !this.isAudible || now < this.next) return;
    this.next = now + 500;
    const tone = this.context.createOscillator(), volume = this.context.createGain();
    tone.type = "square";
    tone.frequency.value = 1100;
    volume.gain.value = 0.25;
    tone.connect(volume).connect(this.context.destination);
    tone.start();
    tone.stop(this.context.currentTime + 0.25);
  }
}
