/** The texts of the audit log. */
const zhCN = {
  lead: "谁在什么时候做了什么，不能修改。",
  about: "哪一类",
  from: "从",
  to: "到",
  search: "搜操作人",
  at: "时间",
  who: "操作人",
  did: "操作",
  what: "对象",
  address: "来自",
  thing: {
    session: "登录",
    account: "账号",
    device: "终端",
    timetable: "课表",
    plan: "每日安排",
    region: "导入",
    districts: "区划",
    schools: "学校",
    classrooms: "教室",
    classes: "班级",
    people: "人员",
    terms: "学期",
    calendar: "校历",
    bells: "作息",
    subscriptions: "订阅",
  },
  verb: { add: "添加{thing}", change: "修改{thing}", remove: "删除{thing}" },
  said: {
    session: {
      begin: "登录",
      end: "退出登录",
      password: "换了密码",
      refused: "登录被拒：密码不对",
      locked: "登录被拒：暂时锁定",
      disabled: "登录被拒：已停用",
    },
    account: {
      reset_password: "重置密码",
      allow_binding: "允许绑定统一身份认证",
      bind: "首次登录，绑定统一身份认证",
      unbind: "解除统一身份认证绑定",
    },
    device: { pair: "绑定终端", revoke: "解除终端绑定", volume: "设置终端音量" },
    plan: { cancel: "停课", restore: "恢复上课", add: "临时加课", extra: "临时上课", change: "调课、代课" },
    region: { import: "导入数据", export: "导出数据" },
  },
};

export type AuditTexts = typeof zhCN;

export default zhCN;
