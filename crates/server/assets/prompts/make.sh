#!/usr/bin/env bash
# Makes the sample company's prompts: spoken by espeak-ng (the program is GPL-3.0-or-later; its output is ours, Apache-2.0),
# music and tone synthesised by sox. Needs the Debian packages espeak-ng and sox. The results are committed.
set -euo pipefail
cd "$(dirname "$0")"
say() { # name, zh, en
  mkdir -p zh en
  espeak-ng -v cmn -s 165 -p 45 -w /tmp/zh.$$.wav "$2"
  espeak-ng -v en-gb -s 150 -p 42 -w /tmp/en.$$.wav "$3"
  for l in zh en; do
    sox /tmp/$l.$$.wav -r 8000 -c 1 -b 16 $l/$1.wav highpass 180 lowpass 3600 norm -6 pad 0.15 0.2
  done
  rm -f /tmp/zh.$$.wav /tmp/en.$$.wav
}
say welcome "您好，欢迎致电接线台示例公司。" "Hello, and welcome to the Cordboard sample company."
say menu "销售咨询请按一，技术支持请按二。" "For sales, press one. For support, press two."
say invalid "输入有误，请重新选择。" "Sorry, that is not a valid choice."
say closed "现在是非工作时间。" "We are closed at the moment."
say holiday "今天是节假日，我们休息。" "Today is a holiday and we are closed."
say comfort "座席正忙，请您稍候，我们会尽快接听。" "All our agents are busy. Please stay on the line."
say voicemail "请在提示音后留言，说完请挂机。" "Please leave a message after the tone, then hang up."
say goodbye "感谢您的来电，再见。" "Thank you for calling. Goodbye."
say echo "这是回声测试。接下来，您会听到自己的声音。" "This is the echo test. You will now hear yourself."
say demo "您好，我是演示来电。如果您能听到这段话，说明声音已经接通。现在请您说话，您会听到自己的声音。" \
  "Hello, I am the demo caller. If you can hear this, sound is working. Now say something, and you will hear yourself."
# A calm loop: four soft chords, 16 s.
chord() { sox -n -r 8000 -c 1 -b 16 /tmp/c$1.$$.wav synth 4 sine $2 synth 4 sine mix $3 synth 4 sine mix $4 fade q 0.6 4 0.9 gain -14 tremolo 4 12; }
chord 1 261.6 329.6 392.0; chord 2 220.0 261.6 329.6; chord 3 174.6 220.0 261.6; chord 4 196.0 246.9 293.7
sox /tmp/c1.$$.wav /tmp/c2.$$.wav /tmp/c3.$$.wav /tmp/c4.$$.wav music.wav; rm -f /tmp/c?.$$.wav
sox -n -r 8000 -c 1 -b 16 beep.wav synth 0.4 sine 1000 fade q 0.02 0.4 0.02 gain -10 pad 0.1 0.05
